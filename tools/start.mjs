// Starts one of the project's TypeScript tools from any Node that npm itself runs on (20 or later): brings the
// dependencies when they are missing or old, then hands over to the Node 26 that comes with them.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE_MAJOR_MIN = 26;

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

function dependenciesAreCurrent() {
  const installed = packagesOf('node_modules/.package-lock.json');
  return Object.entries(packagesOf('package-lock.json')).every(
    ([path, wanted]) =>
      !path.includes('node_modules/') ||
      wanted.optional === true ||
      wanted.devOptional === true ||
      wanted.link === true ||
      installed[path]?.version === wanted.version,
  );
}

function ensureDependencies() {
  if (dependenciesAreCurrent()) return;
  process.stderr.write('onecopy: installing the dependencies (npm ci --ignore-scripts)\n');
  const done = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (done.status !== 0) {
    process.stderr.write('onecopy: Cannot install the dependencies: npm ci failed\n');
    process.exit(done.status ?? 1);
  }
}

function findNode() {
  const bundled = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
  if (existsSync(bundled)) return bundled;
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) return process.execPath;
  process.stderr.write(
    `onecopy: Cannot start: expected Node ${NODE_MAJOR_MIN} or later, found ${process.version}\n` +
      '  hint: run npm ci (without --omit=optional) or install a newer Node\n',
  );
  process.exit(8);
}

ensureDependencies();
const [script, ...args] = process.argv.slice(2);
const node = findNode();
const child = spawn(node, [join(root, script), ...args], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${dirname(node)}:${process.env.PATH ?? ''}`,
    NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'onecopy'),
  },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 130;
});
