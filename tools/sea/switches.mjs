// Node's switches in the single executable. Nobody else can give any: see execArgvExtension in ../sea.mjs.

export const FLAGS = [
  '--disable-sigusr1', // no debugger for whoever may send a signal
  '--v8-pool-size=1', // a login is over before V8's helper threads could be of use; 0 is one for each processor
]

// What V8 does at first so that all goes faster later; in a login there is no later.
const PUT_OFF = {
  '--no-rehash-snapshot': '--rehash-snapshot', // a search for prime numbers, and all of Node's names sorted anew by them
  '--no-sparkplug': '--sparkplug',
  '--invocation-count-for-feedback-allocation=2000': '--invocation-count-for-feedback-allocation=8',
  '--invocation-count-for-maglev=100000': '--invocation-count-for-maglev=400',
  '--invocation-count-for-turbofan=100000': '--invocation-count-for-turbofan=10000', // with maglev; --v8-options says 3000
}
/** The first of these is how a program knows of them. */
export const LOGIN_FLAGS = Object.keys(PUT_OFF)
/** With these Node runs as it would without the others, src/sys/lazy.ts; it takes its own compiled modules with no switch else. */
export const BACK = Object.values(PUT_OFF).join(' ')
