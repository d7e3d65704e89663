// What workflow.yaml imports from JavaScript.
const ASCII = /^[ -~]+$/;

function walk(value, before, into, put) {
  for (const key of Object.keys(value ?? {})) {
    const member = value[key];
    const isObject = member !== null && typeof member === 'object' && !Array.isArray(member);
    if (isObject && Object.keys(member).length) walk(member, `${before}${key}_`, into, put);
    else put(into, before + key, member);
  }
  return into;
}

const put = (into, name, member) => {
  into[name] = member;
};
const flatten = (value) => walk(value, '', {}, put);
// The same, without the names that are not ASCII, and with a prefix.
const named = (value, prefix = '') =>
  walk(value, '', {}, (into, name, member) => {
    if (ASCII.test(name)) into[prefix + name] = member;
  });
const journeyStep = (personas) => (personas?.computation_class === 'journey_step' ? { [personas.computation_key]: true } : {});
const unix = (text) => Date.parse(text) / 1000;
const defined = (value) => Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined && member !== null));
module.exports = { defined, flatten, journeyStep, named, unix };
