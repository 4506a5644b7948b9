// Finds what is wrong with the parameters of the command line, and says it in sentences: all mistakes at once, without
// the frame that osls puts around errors.

// Parameters that are gone, and why nobody needs them.
const GONE = {
  tracing: 'the functions no longer send traces to X-Ray',
  window: 'bursts are gathered (--param gather)',
  lossless: 'wildcards that evict nothing are used wherever they save something',
  'max-wildcards': 'a plan has few, unless it would exceed max-paths',
  'list-pages': 'listings are bounded by what they may save',
  'powertools-layer': 'the functions bring the version of Powertools that was tested',
};

// They need a queue on which something can wait.
const ONLY_WITH_A_QUEUE = ['gather', 'deploy-marker', 'repeat-after'];

const SOURCES = ['distributions', 'secret', 'parameter'];

// Parameters that have to fit together, and a sentence about each that does not.
const COMBINATIONS = [
  [
    ['bucket'],
    ({ bucket }) => !bucket && 'it is missing: give the name of the origin bucket, as in --param bucket=my-origin.',
  ],
  [
    SOURCES,
    (values) => {
      const given = SOURCES.filter((name) => values[name]);
      return (
        given.length !== 1 &&
        `give exactly one of ${SOURCES.join(', ')} (given: ${given.join(', ') || 'none'}), as in` +
          ' --param distributions=E1A2B3C4D5E6F7,E7F6D5C4B3A2E1.'
      );
    },
  ],
  [
    ['discover-tag', 'distributions'],
    (values) =>
      values['discover-tag'] &&
      !values.distributions.split(',').includes('discover') &&
      'it works only with --param distributions=discover: add that, or leave this out.',
  ],
  ...ONLY_WITH_A_QUEUE.map((name) => [
    [name, 'trigger'],
    ({ trigger }, said) =>
      trigger === 'direct' &&
      said.includes(name) &&
      'it works only with a queue: leave it out with --param trigger=direct.',
  ]),
  [
    ['deploy-marker', 'prefix', 'suffix', 'trigger'],
    ({ 'deploy-marker': marker, prefix, suffix, trigger }) =>
      marker &&
      trigger !== 'direct' &&
      !(marker.startsWith(prefix) && marker.endsWith(suffix)) &&
      'prefix and suffix keep it back, so the function would never hear of it.',
  ],
  [
    ['repair', 'check'],
    ({ repair, check }) =>
      repair === 'on' && check === '0' && 'only a check repairs: leave this out, or give --param check=60.',
  ],
  [
    ['pipeline-parameters', 'pipeline'],
    (values) =>
      values['pipeline-parameters'] &&
      values.pipeline !== 'on' &&
      'it works only with --param pipeline=on: add that, or leave this out.',
  ],
];

// Return how many letters are added, left out, exchanged, or swapped with the next, to make one word of the other.
// https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance#Optimal_string_alignment_distance (2026-11-29)
function edits(one, other) {
  let [before, row] = [[], Array.from({ length: other.length + 1 }, (_, at) => at)];
  for (let place = 1; place <= one.length; place += 1) {
    const next = [place];
    for (let at = 1; at <= other.length; at += 1) {
      const ways = [next[at - 1] + 1, row[at] + 1, row[at - 1] + (one[place - 1] === other[at - 1] ? 0 : 1)];
      const isSwapped = place > 1 && at > 1 && one[place - 1] === other[at - 2] && one[place - 2] === other[at - 1];
      next.push(Math.min(...ways, ...(isSwapped ? [before[at - 2] + 1] : [])));
    }
    [before, row] = [row, next];
  }
  return row[other.length];
}

// Return the name that was meant: no more than a third of it is another, or one is a word of the other. Variables are
// spelled as parameters are, apart from capitals: MAX_PATHS.
function meantBy(name, names) {
  const spelled = name.slice(0, 99).toLowerCase().replace(/[_\s]+/g, '-');
  const isWordOf = (one, other) => other.split('-').includes(one);
  const near = names
    .map((known) => [edits(spelled, known), known])
    .filter(([distance, known]) => distance <= Math.max(spelled.length, known.length) / 3)
    .sort(([one], [other]) => one - other);
  return near[0]?.[1] ?? names.find((known) => isWordOf(spelled, known) || isWordOf(known, spelled));
}

// Mistakes are a name as it was given, the sentence, and the known parameter that is in doubt because of it.
const mistake = (name, sentence, doubtful = name) => ({ name, sentence, doubtful });

function mistakeInName(name, names) {
  if (Object.hasOwn(GONE, name)) return mistake(name, `${GONE[name]}; leave this parameter out.`);
  const meant = meantBy(name, names);
  const next = meant ? `did you mean '${meant}'?` : 'docs/configuration.md lists them all.';
  return mistake(name, `there is no such parameter: ${next}`, meant);
}

function mistakesInWords(words, names) {
  const unknown = words.filter(([name]) => !names.includes(name)).map(([name]) => mistakeInName(name, names));
  const bare = words.filter(([name, value]) => names.includes(name) && !value);
  return [...unknown, ...bare.map(([name]) => mistake(name, `it has no value: write --param ${name}=value.`))];
}

function mistakesInValues(parameters, values) {
  return Object.entries(parameters)
    .filter(([name, [fallback, pattern]]) => values[name] && values[name] !== fallback && !pattern.test(values[name]))
    .map(([name, [, , expected]]) => mistake(name, `expected ${expected}; got '${values[name]}'.`));
}

// Return a sentence about each mistake. The words are the names and values of the line; said are the known names among
// them. What does not fit together is told only of parameters that are right by themselves: one slip is one sentence.
function mistakes(parameters, words, values, said) {
  const found = [...mistakesInWords(words, Object.keys(parameters)), ...mistakesInValues(parameters, values)];
  const doubtful = new Set(found.map((each) => each.doubtful));
  for (const [of, objection] of COMBINATIONS) {
    const sentence = !of.some((name) => doubtful.has(name)) && objection(values, said);
    if (sentence) found.push(mistake(of[0], sentence));
  }
  return [...new Set(found.map(({ name, sentence }) => `--param ${name}: ${sentence}`))];
}

// End the command with these sentences. osls would put a thrown error into a frame of what it was resolving where.
function stop(...sentences) {
  console.error(sentences.join('\n'));
  process.exit(1);
}

module.exports = { mistakes, stop };
