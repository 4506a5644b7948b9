// The zips of the functions, which a Python with pip makes: the one that Lambda runs, or else any, without bytecode.
const { execFileSync } = require('child_process');
const { readdirSync } = require('fs');
const { stop } = require('./mistakes.js');

const FOLDER = '.build';
const TAG = 'cpython-313'; // of the runtime of serverless.yml
const FUNCTIONS = ['invalidate', 'pipeline', 'check', 'connect'];

function failure(python, ...words) {
  try {
    execFileSync(python, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    return null;
  } catch (error) {
    return `${error.stderr || error.message}`.trim();
  }
}

function isNewEnough(python) {
  return failure(python, '-c', 'import sys; sys.exit(sys.version_info < (3, 11))') === null;
}

// Return null, or what the first of these Pythons says that cannot make the zips.
function failureToMake(pythons, ...tag) {
  let first = null;
  for (const python of pythons) {
    const text = failure(python, '-Es', '-m', 'deploy.zips', FOLDER, ...tag);
    if (text === null) return null;
    first ??= `${python}: ${text}`;
  }
  return first;
}

function makeZips() {
  const named = process.env.PYTHON;
  const pythons = (named ? [named] : ['python3.13', 'python3', '.venv/bin/python', 'python']).filter(isNewEnough);
  if (pythons.length === 0) {
    const which = named ? `PYTHON=${named} is none` : 'None was found. Name one with PYTHON=…';
    stop(`The zips were not made, for which Python 3.11 or later is needed. ${which}.`);
  }
  if (failureToMake(pythons, TAG) === null) return;
  const text = failureToMake(pythons);
  if (text !== null) stop('The zips were not made.', text);
  // One of them may have got the packages, for which another one has no pip.
  if (failureToMake(pythons, TAG) === null) return;
  const why = named ? `PYTHON=${named} is another` : 'it was not found. Name it with PYTHON=…';
  console.error(`Packaged without bytecode, so each cold start compiles: that takes Python 3.13, and ${why}.`);
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
