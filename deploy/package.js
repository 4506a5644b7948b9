// The zips of the functions, which a Python with pip makes: the one that Lambda runs, or else any, without bytecode.
const { execFileSync } = require('child_process');
const { readdirSync } = require('fs');

const FOLDER = '.build';
const TAG = 'cpython-313'; // of the runtime of serverless.yml

let said = '';

function isMade(...tag) {
  const named = process.env.PYTHON;
  const candidates = named ? [named] : ['python3.13', 'python3', '.venv/bin/python', 'python'];
  return candidates.some((python) => {
    try {
      execFileSync(python, ['-Es', '-m', 'deploy.zips', FOLDER, ...tag], { stdio: ['ignore', 'ignore', 'pipe'] });
      return true;
    } catch (error) {
      said = `${error.stderr || ''}` || said;
      return false;
    }
  });
}

module.exports = () => {
  const isNeeded = process.argv.some((word) => ['deploy', 'package'].includes(word));
  if (!isMade(TAG)) {
    if (!isMade()) {
      const sentence = 'The zips were not made, for which Python 3.11 or later with pip is needed. Name it with PYTHON=….';
      if (isNeeded) throw new Error(`${sentence}\n${said}`);
      return { invalidate: {}, pipeline: {}, connect: {} };
    }
    if (isNeeded) {
      console.error('Packaged without bytecode, so each cold start compiles: Python 3.13 with pip was not found. Name it with PYTHON=….');
    }
  }
  const zips = readdirSync(FOLDER).filter((file) => file.endsWith('.zip'));
  return Object.fromEntries(zips.map((file) => [file.slice(0, -'.zip'.length), { artifact: `${FOLDER}/${file}` }]));
};
