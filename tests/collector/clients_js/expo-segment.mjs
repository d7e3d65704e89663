// Our own module for Expo apps, from its source: all of its seven calls.

import { createSegment } from '../../../sdk/expo-segment/index.js';

import { KEY, story } from './story.mjs';

const kept = new Map();
const storage = {
  getItem: async (name) => kept.get(name) ?? null,
  setItem: async (name, text) => void kept.set(name, text),
  removeItem: async (name) => void kept.delete(name),
};
const segment = createSegment();
segment.configure({ endpoint: story.url, platform: 'android', storage, onReport: (report) => console.error(report) });
segment.initializeIOS('another key');
segment.initializeAndroid(KEY);
segment.track(story.visited);
segment.identifyWithTraits(story.user, story.traits);
segment.trackWithProperties(story.ordered, story.order);
segment.identify(story.user);
const { sent, dropped, waiting } = await segment.flush();
await segment.close();
// What the document says of the other platform's initialise is the one thing to report.
const reports = segment.reports.filter(({ code }) => code !== 'other-platform');
if (sent !== 4 || dropped || waiting || reports.length) {
  console.error({ sent, dropped, waiting });
  process.exitCode = 1;
}
