// mappings/exponea.yaml by hand in JavaScript: what it costs in Node.js without an engine.
const COMMON = new Set(['app', 'device', 'os', 'screen', 'referrer', 'campaign', 'location']);
const ASCII = /^[ -~]+$/;
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isFull = (value) => isObject(value) && Object.keys(value).length > 0;

function flatten(into, before, value, prefix = '') {
  for (const key in value) {
    const member = value[key];
    const name = before + key;
    if (isFull(member)) flatten(into, name + '_', member, prefix);
    else if (ASCII.test(name)) into[prefix + name] = member;
  }
}

function common(context) {
  const found = {};
  for (const key in context) {
    const member = context[key];
    if (COMMON.has(key)) {
      if (isFull(member)) flatten(found, key + '_', member);
      else found[key] = member;
    } else if (key === 'userAgent' || key === 'user_agent') found.user_agent = member;
  }
  return found;
}

function ids(hard, soft) {
  const found = {};
  if (hard != null) found.registered = hard;
  if (soft != null) found.cookie = soft;
  return found;
}

function visited(event, kind) {
  const found = common(event.context);
  if (kind !== 'track' && event.category != null) found.category = event.category;
  flatten(found, '', event.properties);
  if (kind !== 'track' && event.name != null) found[kind + '_name'] = event.name;
  return found;
}

function traits(event, kind) {
  const found = {};
  if (kind === 'group') {
    flatten(found, '', event.traits, 'group_');
    if (event.groupId != null) found.group_id = event.groupId;
    return found;
  }
  const personas = event.context?.personas;
  if (personas?.computation_class === 'journey_step') found[personas.computation_key] = true;
  flatten(found, '', event.traits);
  return found;
}

// Return the body of an event's request; null where there is none.
export function transform(event) {
  const kind = event.type;
  const time = Date.parse(event.timestamp) / 1000;
  if (kind === 'alias') {
    if (!event.userId || !event.previousId) return null;
    return { customer_ids: ids(event.userId, event.previousId), update_timestamp: time, properties: {} };
  }
  const customer_ids = ids(event.userId, event.anonymousId);
  if (kind === 'identify' || kind === 'group') return { customer_ids, update_timestamp: time, properties: traits(event, kind) };
  const event_type = kind === 'track' ? event.event : kind + '_visit';
  return { customer_ids, timestamp: time, event_type, properties: visited(event, kind) };
}
