// Text as bytes, without TextEncoder, btoa and crypto: not every React Native engine has them.

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Half a surrogate pair has no UTF-8, and one of them would cost the whole batch. */
export function wellFormed(text) {
  return text.replace(/[\uD800-\uDBFF][\uDC00-\uDFFF]|[\uD800-\uDFFF]/g, (found) => (found.length === 2 ? found : '\uFFFD'));
}

export function utf8(text) {
  const bytes = [];
  for (const letter of text) {
    const code = letter.codePointAt(0);
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return bytes;
}

export function byteLength(text) {
  let length = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) length += 1;
    // each half of a pair counts 2 of its 4 bytes
    if (unit >= 0x800 && (unit < 0xd800 || unit > 0xdfff)) length += 1;
  }
  return length;
}

export function base64(text) {
  const bytes = utf8(text);
  let coded = '';
  for (let index = 0; index < bytes.length; index += 3) {
    const [first, second, third] = bytes.slice(index, index + 3);
    const bits = (first << 16) | ((second ?? 0) << 8) | (third ?? 0);
    coded += LETTERS[bits >> 18] + LETTERS[(bits >> 12) & 63];
    coded += second === undefined ? '=' : LETTERS[(bits >> 6) & 63];
    coded += third === undefined ? '=' : LETTERS[bits & 63];
  }
  return coded;
}

/** Names a write key's queue, so that the key itself is never stored: FNV-1a from two beginnings. */
export function fingerprint(text) {
  const hash = (start) => utf8(text).reduce((sum, byte) => Math.imul(sum ^ byte, 0x01000193), start) >>> 0;
  return [0x811c9dc5, 0x1b873593].map((start) => hash(start).toString(16).padStart(8, '0')).join('');
}

/** A version 4 UUID; `random` gives numbers from 0 to 1. */
export function uuid(random) {
  const digits = Array.from({ length: 32 }, () => Math.floor(random() * 16));
  digits[12] = 4;
  digits[16] = 8 + (digits[16] % 4);
  const text = digits.map((digit) => digit.toString(16)).join('');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}

/** Names a value's kind without showing the value. */
export function kind(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** Reads JSON that may be damaged: undefined if it is. */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
