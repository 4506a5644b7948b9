// Checks the parameters of the command line (--param name=value) before anything is packaged, and computes what the
// templates need. docs/configuration.md describes each parameter. Wrong ones stop the command, each with a sentence.

const { encrypted, usingTheKey } = require('./encryption.js');
const { mistakes, stop } = require('./mistakes.js');

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html (2026-11-21)
const RETENTIONS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const PARAMETER_NAME = [
  /^(arn:aws[\w-]*:ssm:[a-z0-9-]+:\d{12}:parameter\/[\w.-]+|\/?[\w.-]+)(\/[\w.-]+)*$/,
  'the name or ARN of a parameter in Parameter Store',
];

const TIMEOUT = 120; // seconds of an invocation: a call may take 13, the rest is for the pauses of a throttled account

const WINDOW = 2; // seconds for which the queue collects changes: a lone one goes at once, a burst is gathered anyway

const PARAMETER_PATH = '(/[\\w.-]+)+(/\\*)?';

function isArray(text) {
  try {
    return Array.isArray(JSON.parse(text));
  } catch {
    return false;
  }
}

// Name: [default, what a given value must match, the same in words]
const PARAMETERS = {
  bucket: ['', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of the origin bucket, not a URL or an ARN'],
  distributions: [
    '',
    /^((?!DISCOVER\b)[A-Z0-9]{1,32}|dt_[A-Za-z0-9]{1,64}|discover)(,((?!DISCOVER\b)[A-Z0-9]{1,32}|dt_[A-Za-z0-9]{1,64}|discover))*$/,
    'ids separated by commas, as E1A2B3C4D5E6F7, or discover',
  ],
  'discover-tag': ['', /^[\w .:/=+@-]{1,384}$/, 'the name of a tag, or name=value'],
  secret: [
    '',
    /^(arn:aws[\w-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+-\w{6}|[\w/+=.@-]{1,512})$/,
    'the name of a secret, or its whole ARN with the six characters at the end',
  ],
  parameter: ['', ...PARAMETER_NAME],
  trigger: ['queue', /^(queue|direct|eventbridge)$/, 'queue, direct or eventbridge'],
  gather: ['300', /^(\d|[1-9]\d|[1-8]\d\d|900)$/, 'a number of seconds from 0 to 900'],
  'deploy-marker': ['', /^(?!\/)(?!.*:\/\/)[^\n]{1,1024}$/, 'the key of an object, without a slash in front, as .deployed'],
  'repeat-after': ['0', /^(\d|[1-9]\d|[1-8]\d\d|900)$/, 'a number of seconds from 0 to 900'],
  check: ['60', /^(0|[5-9]|[1-9]\d|[1-6]\d\d|7[01]\d|720)$/, 'a number of minutes from 5 to 720, or 0'],
  repair: ['off', /^(on|off)$/, 'on or off'],
  prefix: ['', /^[^*]{1,1024}$/, 'how keys begin, without a wildcard'],
  suffix: ['', /^[^*]{1,1024}$/, 'how keys end, without a wildcard'],
  'settings-ttl': [
    '300',
    /^(\d{1,4}|[1-7]\d{4}|8[0-5]\d{3}|86[0-3]\d\d|86400)$/,
    'a number of seconds from 0 to 86400',
  ],
  'index-document': ['index.html', /^[^/\s][^/\n]*$/, 'the name of a file without a directory, or none'],
  'directory-urls': ['', /^(slash|bare)$/, 'slash or bare'],
  'error-pages': ['clear', /^(clear|ignore)$/, 'clear or ignore'],
  tildes: ['exact', /^(exact|wildcard)$/, 'exact or wildcard'],
  describe: ['on', /^(on|off)$/, 'on or off'],
  rules: ['', { test: isArray }, 'a JSON array of rules, in one line'],
  'rules-parameter': ['', ...PARAMETER_NAME],
  include: ['', /^[\s\S]{1,1024}$/, 'globs on keys'],
  exclude: ['', /^[\s\S]{1,1024}$/, 'globs on keys'],
  'max-paths': ['3000', /^([1-9]\d{0,5}|1000000)$/, 'a number of paths from 1 to 1000000'],
  pipeline: ['off', /^(on|off)$/, 'on or off'],
  'pipeline-parameters': [
    '',
    new RegExp(`^${PARAMETER_PATH}(,${PARAMETER_PATH})*$`),
    'names of parameters, separated by commas, each with a slash in front, the last part maybe *, as in /sites/*',
  ],
  'skip-unchanged': ['', /^versions(\+metadata)?$/, 'versions or versions+metadata'],
  dashboard: ['on', /^(on|off)$/, 'on or off'],
  'cost-alarm': [
    '',
    /^(?=.*[1-9])(0|[1-9]\d{0,5})(\.\d{1,2})?$/,
    'US dollars a day, more than 0, with at most two decimals, as 2.50',
  ],
  'monthly-budget': [
    '',
    /^(?=.*[1-9])(0|[1-9]\d{0,5})(\.\d{1,2})?$/,
    'US dollars a month, more than 0, with at most two decimals, as 5 or 2.50',
  ],
  'kms-key': [
    '',
    /^arn:aws[\w-]*:kms:[a-z0-9-]+:\d{12}:key\/[\w-]{1,64}$/,
    'the ARN of a KMS key, not of an alias, as arn:aws:kms:eu-central-1:111122223333:key/...',
  ],
  'alarm-topic': ['', /^arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}$/, 'the ARN of an SNS topic'],
  'log-retention': ['30', new RegExp(`^(${RETENTIONS.join('|')})$`), `one of these numbers of days: ${RETENTIONS.join(', ')}`],
};

const LISTS = ['distributions', 'pipeline-parameters'];

// Return the names and values on the command line, without blanks at the end, as osls takes them.
function onTheLine(given) {
  return [].concat(given ?? []).map((word) => word.trimEnd().split(/=(.*)/s));
}

// Return all values, and the names of those that are given. osls answers nothing if a word of the line has no value.
async function read(words, resolveVariable) {
  const line = new Map(words);
  const ask = words.every(([, value]) => value) ? resolveVariable : async () => null;
  const values = {};
  const said = [];
  for (const [name, [fallback]] of Object.entries(PARAMETERS)) {
    const found = (await ask(`param:${name}, null`)) ?? line.get(name) ?? null;
    if (found !== null) said.push(name);
    const value = found === null ? fallback : String(found);
    values[name] = LISTS.includes(name) ? value.split(/[\s,]+/).filter(Boolean).join(',') : value;
  }
  return { values, said };
}

const substituted = (text) => ({ 'Fn::Sub': text });

function arnOf(name, service, resource) {
  if (name.startsWith('arn:')) return name;
  return substituted(`arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}`);
}

// Return patterns that match as S3's own filters do. EventBridge takes prefix and suffix together only as a wildcard, in
// which \ is escaped. The wildcard does not match a key in which the two overlap, so each such key gets its own pattern.
function keyPatterns(prefix, suffix) {
  if (!suffix) return [{ prefix }];
  if (!prefix) return [{ suffix }];
  const literal = (text) => text.replace(/\\/g, '\\\\');
  const patterns = [{ wildcard: `${literal(prefix)}*${literal(suffix)}` }];
  for (let shared = 1; shared <= Math.min(prefix.length, suffix.length); shared += 1) {
    if (prefix.endsWith(suffix.slice(0, shared))) patterns.push(prefix + suffix.slice(shared));
  }
  return patterns;
}

function eventDetail({ bucket, prefix, suffix }) {
  const key = prefix || suffix ? { object: { key: keyPatterns(prefix, suffix) } } : {};
  return { bucket: { name: [bucket] }, ...key };
}

const cloudfront = (resource) => substituted(`arn:\${AWS::Partition}:cloudfront::\${AWS::AccountId}:${resource}`);

function statement(actions, resources) {
  return { Effect: 'Allow', Action: actions.map((name) => `cloudfront:${name}`), Resource: resources };
}

// The distributions and tenants that a function may invalidate: every one of the account, if the ids are in a secret or
// parameter, where they can change without a deployment, or are discovered.
function targets(words, open) {
  const of = (kind, ids) => (open ? ['*'] : ids).map((id) => cloudfront(`${kind}/${id}`));
  const isTenant = (id) => id.startsWith('dt_');
  return {
    arns: of('distribution', words.filter((id) => !isTenant(id))),
    tenantArns: of('distribution-tenant', words.filter(isTenant)),
  };
}

function discovering(given) {
  const tags = given['discover-tag'] ? [statement(['ListTagsForResource'], [cloudfront('distribution/*')])] : [];
  return [statement(['ListDistributions', 'ListDistributionTenants'], ['*']), ...tags];
}

// The permissions of the function on distributions.
function statements(given) {
  const { words, discover, open } = given.meant;
  const { arns, tenantArns } = targets(words, open);
  const found = [];
  if (arns.length) found.push(statement(['CreateInvalidation'], arns));
  if (tenantArns.length) found.push(statement(['CreateInvalidationForDistributionTenant'], tenantArns));
  if (given.describe === 'on') {
    // Only the tenant itself says which distribution it belongs to.
    found.push(statement(['GetDistributionConfig'], tenantArns.length ? [cloudfront('distribution/*')] : arns));
    if (tenantArns.length) found.push(statement(['GetDistributionTenant'], tenantArns));
    found.push(statement(['GetCachePolicyConfig'], [cloudfront('cache-policy/*')]));
  }
  return discover ? [...found, ...discovering(given)] : found;
}

// The permissions of the pipeline function on distributions. It may also see whether an invalidation is completed. If jobs
// may name parameters, nobody knows which ids these hold.
function pipelineStatements(given) {
  const { words, discover, open } = given.meant;
  const { arns, tenantArns } = targets(words, open || given['pipeline-parameters'] !== '');
  const found = [];
  if (arns.length) found.push(statement(['CreateInvalidation', 'GetInvalidation'], arns));
  if (tenantArns.length) {
    const names = ['CreateInvalidation', 'GetInvalidation'].map((name) => `${name}ForDistributionTenant`);
    found.push(statement(names, tenantArns));
  }
  return discover ? [...found, ...discovering(given)] : found;
}

// The permissions of the function on the bucket: to list the objects that wildcards may evict, and the versions before
// those that were uploaded.
function listing(given) {
  const arn = `arn:\${AWS::Partition}:s3:::${given.bucket}`;
  const skip = given['skip-unchanged'];
  const onBucket = [
    's3:ListBucket',
    ...(skip ? ['s3:ListBucketVersions'] : []),
  ];
  return [
    ...reading(onBucket, [substituted(arn)]),
    ...reading(['s3:GetObjectVersion'], skip === 'versions+metadata' ? [substituted(`${arn}/*`)] : []),
  ];
}

// The permissions of the connecting function. It notes for the check that changes are missed, and starts it.
function connecting({ bucket, checks }) {
  const actions = ['s3:GetBucketLocation', 's3:GetBucketNotification', 's3:PutBucketNotification'];
  const checking = checks === 'on' ? [{ 'Fn::GetAtt': ['CheckLambdaFunction', 'Arn'] }] : [];
  const noting = checks === 'on' ? [arnOf('${Heard}', 'ssm', 'parameter/${Heard}')] : [];
  return [
    ...reading(actions, [substituted(`arn:\${AWS::Partition}:s3:::${bucket}`)]),
    ...reading('lambda:InvokeFunction', checking),
    ...reading(['ssm:GetParameter', 'ssm:PutParameter'], noting),
  ];
}

// The permissions of the check on the bucket and, to send changes to the queue, on its key.
function checking(given) {
  const repairing = given.repair === 'on' ? ['s3:PutBucketNotification'] : [];
  const actions = ['s3:GetBucketLocation', 's3:GetBucketNotification', 's3:ListBucketVersions', ...repairing];
  return [
    ...reading(actions, [substituted(`arn:\${AWS::Partition}:s3:::${given.bucket}`)]),
    ...(given.trigger === 'direct' ? [] : usingTheKey(given)),
  ];
}

// The permission to read what the month has cost. AWS has no resource to grant it on.
function spending(given) {
  return reading('cloudwatch:GetMetricStatistics', given['monthly-budget'] ? ['*'] : []);
}

function reading(action, arns) {
  return arns.length ? [{ Effect: 'Allow', Action: action, Resource: arns }] : [];
}

// Secrets Manager adds a hyphen and six characters of its own to the name of a secret.
function secrets(names) {
  return reading(
    'secretsmanager:GetSecretValue',
    names.filter(Boolean).map((name) => arnOf(name, 'secretsmanager', `secret:${name}-??????`))
  );
}

function parameters(names) {
  return reading(
    'ssm:GetParameter',
    names.filter(Boolean).map((name) => arnOf(name, 'ssm', `parameter/${name.replace(/^\//, '')}`))
  );
}

function meant({ distributions }) {
  const words = distributions.split(',').filter(Boolean);
  const discover = words.includes('discover');
  return { words, discover, open: discover || !words.length };
}

module.exports = async ({ options, resolveVariable }) => {
  const words = onTheLine(options.param);
  const { values, said } = await read(words, resolveVariable);
  const wrong = mistakes(PARAMETERS, words, values, said);
  if (wrong.length) stop(...wrong);
  const given = { ...values, meant: meant(values), checks: values.check === '0' ? 'off' : 'on' };
  return {
    ...values,
    statements: [
      ...statements(given),
      ...listing(given),
      ...spending(given),
      ...usingTheKey(given),
      ...secrets([given.secret]),
      ...parameters([given.parameter, given['rules-parameter']]),
    ],
    'pipeline-statements': [
      ...pipelineStatements(given),
      ...secrets([given.secret]),
      ...parameters([given.parameter, ...given['pipeline-parameters'].split(',')]),
    ],
    'connect-statements': connecting(given),
    'check-statements': checking(given),
    'index-document': values['index-document'] === 'none' ? '' : values['index-document'],
    encrypted: encrypted(given),
    timeout: TIMEOUT,
    window: WINDOW,
    // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html (2026-11-22)
    visibility: 6 * TIMEOUT + WINDOW,
    'log-retention': Number(values['log-retention']),
    'cost-threshold': Number(values['cost-alarm']),
    costs: values['cost-alarm'] ? 'on' : 'off',
    budget: values['monthly-budget'] ? 'on' : 'off',
    checks: given.checks,
    'cost-alarms': [...(values['cost-alarm'] ? ['CostAlarm'] : []), ...(values['monthly-budget'] ? ['BudgetAlarm'] : [])],
    'alarm-actions': values['alarm-topic'] ? [values['alarm-topic']] : [],
    'event-detail': eventDetail(values),
  };
};
