// Expo's Segment module for apps whose events go to a collector of their own; see README.md.

import { createSegment } from './src/segment.js';

export { createSegment };

/** The one most apps need: configure it once, then call it as `Exponent.Segment`. */
export const Segment = createSegment();
