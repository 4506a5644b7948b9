// The zips of the functions, which a Python with pip makes: the one that Lambda runs, or else any, without bytecode.
const { execFileSync } = require('child_process');
const { readdirSync } = require('fs');
const { stop } = require('./mistakes.js');

const FOLDER = '.build';
const FUNCTIONS = ['invalidate', 'pipeline', 'check', 'connect'];

function isNewEnough(python) {
  try {
    execFileSync(python, ['-c', 'import sys; sys.exit(sys.version_info < (3, 11))'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function makeZips() {
  const named = process.env.PYTHON;
  const pythons = (named ? [named] : ['python3.13', 'python3', '.venv/bin/python', 'python']).filter(isNewEnough);
  if (pythons.length === 0) {
    const which = named ? `PYTHON=${named} is no such Python` : 'None was found. Name one with PYTHON=…';
    stop(`The zips were not made, for which Python 3.11 or later is needed. ${which}.`);
  }
  try {
    execFileSync(pythons[0], ['-Es', '-m', 'deploy.pythons', FOLDER, ...pythons], { stdio: ['ignore', 'ignore', 'inherit'] });
  } catch {
    process.exit(1); // It has said why.
  }
}

module.exports = async ({ resolveVariable }) => {
  // Wrong parameters are told before anything is made.
  await resolveVariable('self:custom.given.bucket');
  // Other commands need no zips.
  if (!process.argv.some((word) => ['deploy', 'package'].includes(word))) {
    return Object.fromEntries(FUNCTIONS.map((name) => [name, {}]));
  }
  makeZips();
  const zips = readdirSync(FOLDER).filter((file) => file.endsWith('.zip'));
  return Object.fromEntries(zips.map((file) => [file.slice(0, -'.zip'.length), { artifact: `${FOLDER}/${file}` }]));
};
