/**
 * The long forms of tests whose short forms run with all others: each takes minutes, tries far more cases, and ends with one line and
 * status 0 or 1.
 *
 * Usage: npm run prove -- NAME [NUMBER]   (without a name: lists them)
 *        npm run prove -- tests [PART]     (all cases of tests that take a sample)
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killCommits } from '../test/support/commit-kills.ts';
import { interleave } from '../test/support/containers-interleavings.ts';
import { killContainersExports } from '../test/support/containers-kills.ts';
import { healFlips } from '../test/support/flips.ts';
import { fillDisks } from '../test/support/full-disk.ts';
import { hostileLayers, pullHostile } from '../test/support/hostile-layers.ts';
import { mountLoopFilesystem } from '../test/support/loop-fs.ts';
import { openAnyPodman } from '../test/support/podman.ts';
import { killPulls } from '../test/support/pull-kills.ts';
import { killPushes } from '../test/support/push-kills.ts';
import { BEHAVIOURS, faultsOf, ProxySeries } from '../test/support/range-proxies.ts';
import { tryWay } from '../test/support/registry-series.ts';
import { WAYS } from '../test/support/registry-ways.ts';
import { killUnifiedPulls } from '../test/support/unified-kills.ts';
import { measureRealImage } from '../test/support/unified-real.ts';
import { loseObjects } from '../test/support/vanishing-objects.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A long form. */
interface Proof {
  readonly says: string;
  /** Cases that it tries when no number is given. */
  readonly count: number;
  /** @returns what went wrong, one line each */
  run(count: number): Promise<readonly string[]>;
}

const PROOFS: Readonly<Record<string, Proof>> = {
  flips: {
    says: 'a pull heals single flips in objects, streams, images and links, noticed by fsck or by --verify-reused',
    count: 60,
    async run(count) {
      const lines: string[] = [];
      for (const notice of ['fsck', 'verify-reused'] as const) {
        const outcomes = await healFlips(count, notice, Date.now());
        const bad = outcomes.filter(({ left }) => left.length > 0);
        process.stdout.write(`${notice}: ${count - bad.length} of ${count} healed\n`);
        lines.push(...bad.map(({ what, left }) => `${notice}: ${what}: ${left.join('; ')}`));
      }
      return lines;
    },
  },
  'full-disk': {
    says: 'exports, cp, commits, pulls and gc on a full disk say so, publish nothing, and succeed once there is room',
    count: 12,
    async run(count) {
      const outcomes = await fillDisks(count);
      for (const { what, failed, wrong } of outcomes) {
        process.stdout.write(`${what}: ${failed} of ${count} failed, ${wrong.length} wrong\n`);
      }
      return outcomes.flatMap(({ wrong }) => wrong);
    },
  },
  'commit-kills': {
    says: 'commits of images that are killed leave no ref and nothing broken, by both routes, and the next run is whole',
    count: 50,
    run: (count) => killCommits(count, ['synthesis', 'classic']),
  },
  'range-proxies': {
    says: 'updates in parts from docker-registry, alone and behind nginx that plays GHCR, ECR, zot, GCR, S3, slow and flaky links',
    count: 1,
    async run(count) {
      await using series = await ProxySeries.start(golden('oci/zc-v1'), golden('oci/zc-v2'));
      const expected = await series.expected();
      const lines: string[] = [];
      for (const behaviour of Object.keys(BEHAVIOURS).flatMap((one) => Array(count).fill(one))) {
        const done = await series.update(behaviour);
        for (const [which, pull] of [
          ['first', done.first],
          ['second', done.second],
        ] as const) {
          const { sentBytes, plannedBytes, mostWholes } = pull;
          const shown = `${sentBytes} bytes of ${plannedBytes} planned, ${mostWholes} whole`;
          process.stdout.write(`${behaviour}, ${which} update: ${shown}\n`);
        }
        lines.push(...faultsOf(done, expected));
      }
      return lines;
    },
  },
  registry: {
    says: 'every verb over docker-registry with passwords, tokens, TLS, a CDN, a mirror that dies, rate limits, slow and flaky links',
    count: 1,
    async run(count) {
      const lines: string[] = [];
      for (const way of Object.keys(WAYS).flatMap((one) => Array<string>(count).fill(one))) {
        const { plannedBytes, bodyBytes, wireBytes, wrong } = await tryWay(way);
        const wire = wireBytes === 0 ? '' : `, ${wireBytes} on the wire`;
        process.stdout.write(`${way}: ${bodyBytes} bytes of ${plannedBytes} planned${wire}\n`);
        lines.push(...wrong);
      }
      return lines;
    },
  },
  'vanishing-objects': {
    says: 'an update in parts succeeds when another process removes its source objects, at each step of the assembly',
    count: 1000,
    async run(count) {
      const { steps, tried, wrong } = await loseObjects(count);
      process.stdout.write(`${tried - wrong.length} of ${tried} updates at ${steps} steps\n`);
      return wrong;
    },
  },
  'pull-kills': {
    says: 'a pull from a registry that was killed is completed by the next one, which fetches no byte again that is stored',
    count: 50,
    async run(count) {
      const lines: string[] = [];
      for (const route of ['whole', 'partial'] as const) {
        const { killed, mostAgain, wrong } = await killPulls(count, route);
        process.stdout.write(
          `${route} layers: ${killed} of ${count} killed, at most ${mostAgain} bytes of a blob again\n`,
        );
        lines.push(...wrong.map((line) => `${route}: ${line}`));
      }
      return lines;
    },
  },
  'hostile-layers': {
    says: 'hostile layers with tables of contents are refused with exit code 6 or 7, or taken, in less than 300 MB',
    count: 1,
    async run() {
      const lines: string[] = [];
      for (const what of hostileLayers()) {
        const { status, rssBytes, fault } = await pullHostile(what);
        const megabytes = (rssBytes / 1e6).toFixed(0);
        process.stdout.write(`${what}: status ${status}, ${megabytes} MB\n`);
        if (fault !== undefined) lines.push(`${what}: ${fault}`);
      }
      return lines;
    },
  },
  'containers-kills': {
    says: 'an export into containers-storage that was killed leaves nothing that podman trips over (as root)',
    count: 50,
    async run(count) {
      await using filesystem = await mountLoopFilesystem('xfs');
      using podman = await openAnyPodman(filesystem.path);
      const { killed, wrong } = await killContainersExports(podman, count);
      process.stdout.write(`podman ${podman.version}: ${killed} of ${count} killed\n`);
      return wrong;
    },
  },
  'containers-interleavings': {
    says: 'podman pull and rmi, and our export and pull at the same store, lose nothing and fail with nothing but a retryable error (as root)',
    count: 100,
    async run(count) {
      await using filesystem = await mountLoopFilesystem('xfs');
      using podman = await openAnyPodman(filesystem.path);
      const { retryable, wrong } = await interleave(podman, count);
      process.stdout.write(`podman ${podman.version}: ${count} rounds, ${retryable} retryable\n`);
      return wrong;
    },
  },
  'push-kills': {
    says: 'a push that was killed is completed by the next one, which sends no byte again that had arrived',
    count: 50,
    async run(count) {
      const lines: string[] = [];
      for (const tellsStatus of [true, false]) {
        const { killed, brokenOff, wrong } = await killPushes(count, tellsStatus);
        const kind = tellsStatus ? 'a registry that tells the status' : 'one that does not';
        process.stdout.write(`${kind}: ${killed} of ${count} killed, ${brokenOff} inside a blob\n`);
        lines.push(...wrong);
      }
      return lines;
    },
  },
  'unified-kills': {
    says: 'a pull into three stores that was killed leaves nothing half visible, and the next one completes it (root, XFS)',
    count: 50,
    async run(count) {
      const { killed, wrong } = await killUnifiedPulls(count);
      process.stdout.write(`${killed} of ${count} killed\n`);
      return wrong;
    },
  },
  'unified-real': {
    says: 'an image of that many files of /usr takes less than a tenth more in three stores than in containers-storage alone (root, XFS and btrfs)',
    count: 25_000,
    async run(count) {
      const lines: string[] = [];
      for (const type of ['xfs', 'btrfs', 'ext4'] as const) {
        const found = await measureRealImage(type, count);
        const { aloneBytes, grownBytes, againBytes, sharing, first, second, ok, files } = found;
        const share = grownBytes / aloneBytes;
        const ms = Object.entries(first.ms).map(([stage, took]) => `${stage} ${took} ms`);
        process.stdout.write(
          `${type}: ${files} files with objects, ${aloneBytes} bytes alone, ${grownBytes} more (${(share * 100).toFixed(1)} %), again ${againBytes}; ` +
            `${sharing?.sharedFiles} of ${sharing?.files} files shared, ${sharing?.copiedFiles} copied, ${sharing?.repeatedFiles} more than once in containers-storage, ${sharing?.uncomparedFiles} not comparable; ${ms.join(', ')}\n`,
        );
        if (!ok) lines.push(`${type}: the stores do not agree`);
        const cloned =
          second.composefs.objects.stored + (second.storage?.counts.reflinkedFiles ?? 0);
        if (cloned > 0 || second.ostree?.made !== undefined)
          lines.push(`${type}: the second pull wrote`);
        if (type === 'ext4') {
          if (first.ostree?.made?.external.copiedFiles === 0)
            lines.push('ext4: no copy was counted');
          continue;
        }
        if (share >= 0.1) lines.push(`${type}: ${(share * 100).toFixed(1)} % more`);
        if (sharing?.copiedFiles !== 0) lines.push(`${type}: ${sharing?.copiedFiles} files copied`);
      }
      return lines;
    },
  },
};

/** A golden layout. */
function golden(image: string): string {
  return `oci:${fileURLToPath(new URL(`../test/golden/chunked/${image}`, import.meta.url))}:latest`;
}

/** Files of tests that take more cases in the long form. */
function longTests(part: string): string[] {
  return ['test', 'src'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder, name))
      .filter((name) => name.endsWith('.test.ts') && name.includes(part))
      .filter((name) => readFileSync(name, 'utf8').includes('support/long-form.ts')),
  );
}

/** Runs those tests with all their cases. @param part of their paths */
function runLongTests(part: string): number {
  const args = ['--test', '--test-concurrency=1', ...longTests(part).sort()];
  const env = { ...process.env, ONECOPY_LONG: '1' };
  return spawnSync(process.execPath, args, { stdio: 'inherit', env }).status ?? 1;
}

async function main(): Promise<number> {
  const [name = '', number] = process.argv.slice(2);
  process.chdir(ROOT);
  if (name === 'tests') return runLongTests(number ?? '');
  const proof = PROOFS[name];
  if (proof === undefined) {
    for (const [known, { says, count }] of Object.entries(PROOFS)) {
      process.stdout.write(`${known} [${count}]: ${says}\n`);
    }
    process.stdout.write(
      `tests [part of a path]: all cases of the tests of which npm test takes a sample\n`,
    );
    return name === '' ? 0 : 2;
  }
  const wrong = await proof.run(number === undefined ? proof.count : Number(number));
  for (const line of wrong) process.stdout.write(`${line}\n`);
  process.stdout.write(wrong.length === 0 ? 'proved\n' : `${wrong.length} went wrong\n`);
  return wrong.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
