// RudderStack's library for Node.js.

import Analytics from '@rudderstack/rudder-sdk-node';

import { KEY, calls, story } from './story.mjs';

const analytics = new Analytics(KEY, {
  dataPlaneUrl: story.url,
  errorHandler: (problem) => {
    console.error(problem);
    process.exitCode = 1;
  },
});
for (const [call, message] of calls) analytics[call](message);
await analytics.flush();
