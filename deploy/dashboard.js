// The body of the dashboard: deploy/dashboard.json without the resources that this deployment does not have. Each widget
// has the next place that is free, so that those that are left out leave no hole.

const body = require('./dashboard.json');

// Resources and metrics in the body that do not always exist, each with the condition of template.yml under which it does.
const OPTIONAL = require('./dashboard-optional.json');

const CONDITIONS = {
  HasQueue: ({ trigger }) => trigger !== 'direct',
  HasPipeline: ({ pipeline }) => pipeline === 'on',
  HasChecks: ({ checks }) => checks === 'on',
  HasCostAlarm: ({ costs }) => costs === 'on',
  HasBudget: ({ budget }) => budget === 'on',
};

function exists(value, given) {
  const names = [...JSON.stringify(value).matchAll(/(?:\$\{|")(\w+)[.}"]/g)].map(([, name]) => name);
  return names.every((name) => !Object.hasOwn(OPTIONAL, name) || CONDITIONS[OPTIONAL[name]](given));
}

// A widget without the metrics and alarms that do not exist; null if none is left.
function reduced(widget, given) {
  const list = ['metrics', 'alarms'].find((name) => name in widget.properties);
  if (!list) return widget;
  const left = widget.properties[list].filter((item) => exists(item, given));
  return left.length ? { ...widget, properties: { ...widget.properties, [list]: left } } : null;
}

module.exports = async ({ resolveVariable }) => {
  const given = await resolveVariable('self:custom.given');
  const widgets = body.widgets.map((widget) => reduced(widget, given)).filter(Boolean);
  return { 'Fn::Sub': JSON.stringify({ ...body, widgets }) };
};
