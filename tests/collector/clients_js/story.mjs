// What every client tells: ids, texts and times come from the test, see `Story` in ../clients.py.

import { text } from 'node:stream/consumers';

export const KEY = 'sandbox';

/** What the test wrote to stdin. */
export const story = JSON.parse(await text(process.stdin));

/** The calls as the libraries for Node.js take them: one object each. */
export const calls = [
  ['track', { anonymousId: story.device, event: story.visited }],
  ['identify', { userId: story.user, anonymousId: story.device, traits: story.traits }],
  ['track', { userId: story.user, event: story.ordered, properties: story.order, timestamp: new Date(story.when) }],
  ['page', { userId: story.user, category: 'Docs', name: 'Start', properties: { url: story.page } }],
  ['screen', { userId: story.user, category: 'App', name: 'Home' }],
  ['group', { userId: story.user, groupId: story.company, traits: story.companyTraits }],
  ['alias', { userId: story.user, previousId: story.before }],
];
