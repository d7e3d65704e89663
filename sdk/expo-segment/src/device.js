// What React Native says of the device, in the words of Segment's mobile libraries; nothing is made up.

const present = (members) => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

/** `Platform` and `Dimensions` are React Native's, both optional. */
export function deviceContext(platform, Platform, Dimensions) {
  const constants = Platform?.constants ?? {};
  const parts = platform === 'ios' ? appleParts(constants, Platform) : androidParts(constants);
  const screen = screenOf(platform, Dimensions);
  return present({ ...parts, screen, ...localeOf() });
}

const appleParts = (constants, Platform) => ({
  device: { manufacturer: 'Apple', type: 'ios' },
  os: present({ name: constants.systemName ?? 'iOS', version: constants.osVersion ?? textOf(Platform?.Version) }),
});

// Platform.Version is Android's API level, not what Segment calls its version
const androidParts = (constants) => ({
  device: present({ manufacturer: constants.Manufacturer, model: constants.Model, type: 'android' }),
  os: present({ name: 'Android', version: constants.Release }),
});

const textOf = (value) => (value === undefined ? undefined : String(value));

// Segment's iOS library counts points, Android's counts pixels and adds the density
function screenOf(platform, Dimensions) {
  const size = Dimensions?.get?.('screen');
  if (!size) return undefined;
  if (platform === 'ios') return { width: size.width, height: size.height };
  const pixels = (points) => Math.round(points * size.scale);
  return { width: pixels(size.width), height: pixels(size.height), density: size.scale };
}

function localeOf() {
  const options = globalThis.Intl?.DateTimeFormat?.().resolvedOptions() ?? {};
  return { locale: options.locale, timezone: options.timeZone };
}
