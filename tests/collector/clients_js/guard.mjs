// Preloaded into every Node.js of these tests (`node --import`): a connection or a question for a name that is not
// this machine's is refused, told on stderr, and makes the process fail even where the library swallows the error.

import dns from 'node:dns';
import net from 'node:net';
import { syncBuiltinESMExports } from 'node:module';

const HERE = /^(127(\.\d+){3}|localhost|::1)$/;

function refused(what) {
  const problem = new Error(`guard: ${what} is not on this machine; the tests talk to loopback only`);
  console.error(problem.message);
  process.on('exit', () => (process.exitCode = 1));
  return problem;
}

const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function guarded(...given) {
  // Node hands on what it has already sorted as one list: the options, and what to call.
  const [first, second] = Array.isArray(given[0]) ? given[0] : given;
  const { path, host = 'localhost', port } =
    typeof first === 'object' ? first : { port: first, host: typeof second === 'string' ? second : undefined };
  if (path || HERE.test(host)) return connect.apply(this, given);
  return this.destroy(refused(`${host}:${port}`));
};

for (const [asked, name] of [dns, dns.promises].flatMap((each) => Object.keys(each).map((name) => [each, name]))) {
  if (!/^(lookup|resolve\w*|reverse|lookupService)$/.test(name)) continue;
  const original = asked[name];
  asked[name] = function guarded(host, ...rest) {
    if (HERE.test(host)) return original.call(this, host, ...rest);
    const problem = refused(host);
    if (asked === dns.promises) return Promise.reject(problem);
    return process.nextTick(rest.at(-1), problem);
  };
}
syncBuiltinESMExports();
