// Segment's library for Node.js.

import { Analytics } from '@segment/analytics-node';

import { KEY, calls, story } from './story.mjs';

const analytics = new Analytics({ writeKey: KEY, host: story.url });
analytics.on('error', (problem) => {
  console.error(problem);
  process.exitCode = 1;
});
for (const [call, message] of calls) analytics[call](message);
await analytics.closeAndFlush();
