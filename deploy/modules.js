// The files of a function: its modules and, where the Python that Lambda runs is at hand, their bytecode, without which
// each cold start compiles them, which takes a sixth of it (benchmarks/results.md). The bytecode holds a hash of the
// source, and Python compiles what does not match.
const { execFileSync } = require('child_process');

const VERSION = '3.13'; // the runtime of serverless.yml
const TAG = 'cpython-313';
const COMPILE = `
import sys
sys.version_info[:2] == tuple(map(int, sys.argv[1].split("."))) or sys.exit("another version")
from py_compile import PycInvalidationMode, compile
for file in sys.argv[2:]:
    compile(file, doraise=True, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
`;

const HANDLER = [
  ...['__init__', 'catalog', 'cloudfront', 'coalesce', 'codepipeline', 'cover', 'distributions', 'errors', 'events'],
  ...['handler', 'knapsack', 'limits', 'listings', 'metrics', 'model', 'pacing', 'paths', 'patterns', 'planner'],
  ...['rules', 'sdk', 'service', 'settings', 'site', 'sqs', 'tickets', 'tracing', 'versions', 'workers', 'written'],
];
const CONNECT = [
  ...['__init__', 'custom_resource', 'errors', 'events', 'limits', 'model', 'notifications', 'paths', 's3', 'sdk'],
  'tickets',
];

const source = (name) => `invalidator/${name}.py`;
const bytecode = (name) => `invalidator/__pycache__/${name}.${TAG}.pyc`;

function isCompiled(files) {
  const candidates = [process.env.PYTHON, `python${VERSION}`, 'python3', '.venv/bin/python'];
  return candidates.filter(Boolean).some((python) => {
    try {
      execFileSync(python, ['-c', COMPILE, VERSION, ...files], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

function patterns(names) {
  const files = names.map(source);
  return isCompiled(files) ? [...files, ...names.map(bytecode)] : files;
}

module.exports = () => ({ handler: { patterns: patterns(HANDLER) }, connect: { patterns: patterns(CONNECT) } });
