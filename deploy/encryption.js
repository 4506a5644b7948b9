// How the queues and the logs of the stack are encrypted: with keys of AWS, or with the key of --param kms-key.

// The part of the template that says it.
function encrypted(given) {
  const key = given['kms-key'];
  const queue = { Properties: key ? { KmsMasterKeyId: key } : { SqsManagedSseEnabled: true } };
  const queues = given.trigger === 'direct' ? ['DeadLetters'] : ['Queue', 'DeadLetters'];
  // osls makes the log groups, and encrypts them with CloudWatch's own key.
  const optional = [...(given.pipeline === 'on' ? ['Pipeline'] : []), ...(given.checks === 'on' ? ['Check'] : [])];
  const functions = ['Invalidate', 'Connect', ...optional];
  const log = { Type: 'AWS::Logs::LogGroup', Properties: { KmsKeyId: key } };
  const logs = key ? functions.map((name) => [`${name}LogGroup`, log]) : [];
  return { Resources: Object.fromEntries([...queues.map((name) => [name, queue]), ...logs]) };
}

// What a function that receives or sends needs in addition: SQS uses the key in the name of who receives (Decrypt) and of
// who sends (both: it also looks whether it can decrypt a new data key). With trigger=direct, Lambda sends the dead letters
// in the name of the function's role. CloudWatch uses the key in its own name:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html (2026-11-29)
function usingTheKey(given) {
  const key = given['kms-key'];
  return key ? [{ Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey'], Resource: [key] }] : [];
}

module.exports = { encrypted, usingTheKey };
