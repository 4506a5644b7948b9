// The files of a function: whole folders of modules, the modules beside them, and, where the Python that Lambda runs is
// at hand, their bytecode. Without bytecode each cold start compiles the sources, for 40 of its 260 ms (Python 3.13 under
// Lambda's runtime client, 2026-11-22). The bytecode holds a hash of its source; Python compiles a source that does not
// match. It has no docstrings (optimize=2), which nobody reads there. (-I: environment variables could change the bytecode.)
const { execFileSync } = require('child_process');
const { readdirSync } = require('fs');

const TAG = 'cpython-313'; // of the runtime of serverless.yml
const COMPILE = `
import sys
sys.implementation.cache_tag == sys.argv[1] or sys.exit("another version")
from py_compile import PycInvalidationMode, compile
for source, target in zip(sys.argv[2::2], sys.argv[3::2]):
    compile(source, target, doraise=True, optimize=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
`;

const COMMON = ['__init__', 'errors', 'limits', 'model'];
const HANDLER = {
  modules: [...COMMON, 'handler', 'ttl_cache', 'workers'],
  folders: ['aws', 'delivery', 'distributions', 'events', 'planning', 'runtime', 'settings', 'urls'],
};
// Jobs of CodePipeline have a function of their own, so that no other zip holds their modules.
const PIPELINE = {
  modules: [...HANDLER.modules, 'by_hand'],
  folders: [...HANDLER.folders, 'codepipeline'],
};
const CONNECT = {
  modules: [...COMMON, 'custom_resource'],
  folders: ['aws', 'notifications'],
};

const isSource = (file) => file.endsWith('.py');
const bytecode = (source) => source.replace(/([^/]+)\.py$/, `__pycache__/$1.${TAG}.pyc`);
const sources = ({ modules, folders }) => [
  ...modules.map((name) => `invalidator/${name}.py`),
  ...folders.flatMap((folder) =>
    readdirSync(`invalidator/${folder}`).filter(isSource).map((file) => `invalidator/${folder}/${file}`),
  ),
];

function isCompiled(all) {
  const files = all.flatMap((source) => [source, bytecode(source)]);
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
  const files = { handler: sources(HANDLER), pipeline: sources(PIPELINE), connect: sources(CONNECT) };
  const compiled = isCompiled([...new Set(Object.values(files).flat())]);
  if (!compiled && process.argv.some((word) => ['deploy', 'package'].includes(word))) {
    console.error('Packaged without bytecode, so each cold start compiles: Python 3.13 was not found. Name it with PYTHON=….');
  }
  const patterns = (all) => ({ patterns: compiled ? [...all, ...all.map(bytecode)] : all });
  return Object.fromEntries(Object.entries(files).map(([name, all]) => [name, patterns(all)]));
};
