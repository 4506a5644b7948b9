// The files of a function: its modules and, where the Python that Lambda runs is at hand, their bytecode, without which
// each cold start compiles them, for 40 of its 260 ms (Python 3.13 under Lambda's runtime client, 2026-11-22). The
// bytecode holds a hash of the source, and Python compiles what does not match. (-I: variables could make it another.)
const { execFileSync } = require('child_process');

const TAG = 'cpython-313'; // of the runtime of serverless.yml
const COMPILE = `
import sys
sys.implementation.cache_tag == sys.argv[1] or sys.exit("another version")
from py_compile import PycInvalidationMode, compile
for source, target in zip(sys.argv[2::2], sys.argv[3::2]):
    compile(source, target, doraise=True, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
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

function isCompiled(names) {
  const files = names.flatMap((name) => [source(name), bytecode(name)]);
  const candidates = [process.env.PYTHON, 'python3.13', 'python3', '.venv/bin/python'];
  return candidates.filter(Boolean).some((python) => {
    try {
      execFileSync(python, ['-I', '-c', COMPILE, TAG, ...files], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

module.exports = () => {
  const compiled = isCompiled([...new Set([...HANDLER, ...CONNECT])]);
  if (!compiled && process.argv.some((word) => ['deploy', 'package'].includes(word))) {
    console.error('Without bytecode, for want of Python 3.13 (name it with PYTHON=…): each cold start compiles.');
  }
  const patterns = (names) => [...names.map(source), ...(compiled ? names.map(bytecode) : [])];
  return { handler: { patterns: patterns(HANDLER) }, connect: { patterns: patterns(CONNECT) } };
};
