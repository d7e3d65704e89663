/** AsyncStorage, or anything of its shape. */
export interface Storage {
  getItem(name: string): Promise<string | null>;
  setItem(name: string, text: string): Promise<unknown>;
  removeItem(name: string): Promise<unknown>;
}

/** Something that was not done as asked. */
export interface Report {
  /** Stable: `not-initialised`, `not-text`, `queue-full` ... */
  readonly code: string;
  /** The call, or the path of the value: `track`, `properties.price`. */
  readonly place: string;
  /** One sentence: what is wrong and what to do. Never holds the write key. */
  readonly message: string;
}

/** What a flush did. */
export interface Flushed {
  readonly sent: number;
  readonly dropped: number;
  readonly waiting: number;
  /** Why events wait; empty if they need not. */
  readonly reason: string;
}

/** Those of Segment's mobile libraries; times in milliseconds. */
export interface Limits {
  /** Events that wait before they are sent at once: 20. */
  flushAt: number;
  /** Milliseconds the first of them waits at most: 30000. */
  flushEvery: number;
  /** Events a batch: 100. */
  batchEvents: number;
  /** Bytes a batch: 475000. */
  batchBytes: number;
  /** Bytes an event; a larger one is dropped and reported: 32000. */
  eventBytes: number;
  /** Events kept; then the oldest makes room and is reported: 1000. */
  queueEvents: number;
}

export interface Options {
  /** The collector's address, as in `https://collector.example.com`. */
  endpoint: string;
  /** Which initialise counts; else `Platform.OS`. */
  platform?: 'ios' | 'android';
  /** Where events and identity are kept: React Native's AsyncStorage. Without it they live in memory. */
  storage?: Storage;
  /** What is known of app, device, network ...; a function is asked for every event. */
  context?: object | (() => object);
  /** React Native's `Platform`: names the platform, and the device as far as it can. */
  Platform?: { OS: string; Version?: string | number; constants?: object };
  /** React Native's `Dimensions`: fills `context.screen`. */
  Dimensions?: { get(name: 'screen'): { width: number; height: number; scale: number } };
  /** React Native's `AppState`: sends what waits when the app leaves the screen. */
  AppState?: { addEventListener(type: 'change', listener: (state: string) => void): { remove(): void } | void };
  /** Told every report; without it they go to the console. */
  onReport?: (report: Report) => void;
  limits?: Partial<Limits>;
  /** Of the platform; given by tests. */
  fetch?: (url: string, request: object) => Promise<any>;
  now?: () => number;
  monotonic?: () => number;
  random?: () => number;
  newId?: () => string;
  setTimeout?: (task: () => void, milliseconds: number) => any;
  clearTimeout?: (timer: any) => void;
}

export interface SegmentModule {
  /** Says where events go. Call it once, before anything else. */
  configure(options: Options): void;
  /** Begins, on iOS, with the write key of the iOS source. Does nothing on Android. */
  initializeIOS(writeKey: string): void;
  /** Begins, on Android, with the write key of the Android source. Does nothing on iOS. */
  initializeAndroid(writeKey: string): void;
  /** Says who the user is, now and for every later event. */
  identify(userId: string): void;
  /** Says who the user is, and what is known about them. What has no JSON form is left out and reported. */
  identifyWithTraits(userId: string, traits: object): void;
  /** Records that something happened. */
  track(event: string): void;
  /** Records that something happened, and its particulars. What has no JSON form is left out and reported. */
  trackWithProperties(event: string, properties: object): void;
  /** Sends what waits, now. The promise never rejects. */
  flush(): Promise<Flushed>;
  /** Sends what waits and stops; what could not be sent stays in the storage. Never rejects. */
  close(): Promise<Flushed>;
  /** What was not done as asked; the last thousand. */
  readonly reports: Report[];
}

/** Makes a module of its own, for a test or a second collector. */
export declare function createSegment(): SegmentModule;

/** The one most apps need: configure it once, then call it as `Exponent.Segment`. */
export declare const Segment: SegmentModule;
