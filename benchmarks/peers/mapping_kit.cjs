// mappings/exponea.yaml for Segment's mapping-kit, as its app stores a mapping.
//
// It has no word for Unix seconds, for a key named by data, or for leaving out keys by a pattern; these follow in
// JavaScript. Its `@flatten` leaves out empty objects, which the events here do not have. What an action subscribes to (`type = "alias" and userId != ""`) is decided before the mapping there too.
const { transform: mapped } = require('@segment/actions-core/mapping-kit');

const at = (path) => ({ '@path': `$.${path}` });
const flat = (value) => ({ '@flatten': { value, separator: '_', omitArrays: true } });
const merged = (...objects) => ({ '@merge': { direction: 'right', objects } });
const customer_ids = { registered: at('userId'), cookie: at('anonymousId') };
const sections = ['app', 'device', 'os', 'screen', 'referrer', 'campaign', 'location'];
const agent = { exists: at('context.user_agent'), then: at('context.user_agent'), else: at('context.userAgent') };
const common = {
  ...Object.fromEntries(sections.map((name) => [name, at(`context.${name}`)])),
  user_agent: { '@if': agent },
};

const visit = (kind) => ({
  customer_ids,
  timestamp: at('timestamp'),
  event_type: `${kind}_visit`,
  properties: flat(merged(flat(common), { category: at('category') }, at('properties'), { [`${kind}_name`]: at('name') })),
});
const MAPPINGS = {
  track: { customer_ids, timestamp: at('timestamp'), event_type: at('event'), properties: flat(merged(flat(common), at('properties'))) },
  page: visit('page'),
  screen: visit('screen'),
  identify: { customer_ids, update_timestamp: at('timestamp'), properties: flat(at('traits')) },
  group: { customer_ids, update_timestamp: at('timestamp'), properties: flat(merged(at('traits'), { id: at('groupId') })) },
  alias: { customer_ids: { registered: at('userId'), cookie: at('previousId') }, update_timestamp: at('timestamp'), properties: {} },
};

const ASCII = /^[ -~]+$/;

// Leave out names that are not ASCII, and put the prefix before the others.
function named(properties, prefix) {
  const found = {};
  for (const name in properties) if (ASCII.test(name)) found[prefix + name] = properties[name];
  return found;
}

// Return the body of an event's request; null where there is none.
exports.transform = (event) => {
  if (event.type === 'alias' && !(event.userId && event.previousId)) return null;
  const body = mapped(MAPPINGS[event.type], event);
  const time = 'timestamp' in body ? 'timestamp' : 'update_timestamp';
  body[time] = Date.parse(body[time]) / 1000;
  const personas = event.type === 'identify' ? event.context?.personas : undefined;
  const properties = named(body.properties, event.type === 'group' ? 'group_' : '');
  if (personas?.computation_class !== 'journey_step') body.properties = properties;
  else body.properties = { [personas.computation_key]: true, ...properties };
  return body;
};
