// The body of the dashboard: deploy/dashboard.json without the resources that this deployment does not have.

const body = require('./dashboard.json');

// Resources and metrics in the body that do not always exist, each with the condition under which it is missing.
const OPTIONAL = {
  Queue: ({ trigger }) => trigger === 'direct',
  OldMessagesAlarm: ({ trigger }) => trigger === 'direct',
  TicketsAlarm: ({ trigger }) => trigger === 'direct',
  PipelineLambdaFunction: ({ pipeline }) => pipeline === 'off',
  PipelineErrorsAlarm: ({ pipeline }) => pipeline === 'off',
  CostAlarm: ({ costs }) => costs === 'off',
  BudgetAlarm: ({ budget }) => budget === 'off',
  CheckLambdaFunction: ({ checks }) => checks === 'off',
  DisconnectedAlarm: ({ checks }) => checks === 'off',
  CatchUpAlarm: ({ checks }) => checks === 'off',
  CheckErrorsAlarm: ({ checks }) => checks === 'off',
  NoChecksAlarm: ({ checks }) => checks === 'off',
  Disconnected: ({ checks }) => checks === 'off',
  Repaired: ({ checks }) => checks === 'off',
  CaughtUp: ({ checks }) => checks === 'off',
  NotCaughtUp: ({ checks }) => checks === 'off',
  BudgetUsed: ({ budget }) => budget === 'off',
  SecondsHeld: ({ trigger }) => trigger === 'direct',
  SecondsRefused: ({ trigger }) => trigger === 'direct',
};

function exists(value, given) {
  const names = [...JSON.stringify(value).matchAll(/(?:\$\{|")(\w+)[.}"]/g)].map(([, name]) => name);
  return !names.some((name) => OPTIONAL[name]?.(given));
}

// A widget without the metrics and alarms that do not exist; null if none is left.
function reduced(widget, given) {
  const list = ['metrics', 'alarms'].find((name) => name in widget.properties);
  if (!list) return widget;
  const left = widget.properties[list].filter((item) => exists(item, given));
  return left.length ? { ...widget, properties: { ...widget.properties, [list]: left } } : null;
}

// Move the rows of widgets up, to close the gaps of those that are left out.
function packed(widgets) {
  const tops = [...new Set(widgets.map(({ y }) => y))].sort((one, other) => one - other);
  let next = 0;
  return tops.flatMap((top) => {
    const row = widgets.filter(({ y }) => y === top);
    const y = next;
    next += Math.max(...row.map(({ height }) => height));
    return row.map((widget) => ({ ...widget, y }));
  });
}

module.exports = async ({ resolveVariable }) => {
  const given = await resolveVariable('self:custom.given');
  const widgets = body.widgets.map((widget) => reduced(widget, given)).filter(Boolean);
  return { 'Fn::Sub': JSON.stringify({ ...body, widgets: packed(widgets) }) };
};
