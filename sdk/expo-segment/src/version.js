// Sent as context.library.version; a test holds it equal to package.json, which React Native cannot import.

export const VERSION = '0.1.0';
