import { deepEqual, equal, ok } from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkOciImages, checkRepository, collectGarbage } from '#work/check';
import { openRepository } from '#work/repository';
import { cases } from '../support/long-form.ts';
import { makeMemoryDir, type TempDir } from '../support/temp-dir.ts';
import { writeTinyImage } from '../support/tiny-images.ts';
import type { Act, Answer, Order, Pause } from './actor.ts';

const INTERLEAVINGS = cases(50, 200);
const ACTORS = 3;
/** An interleaving starts in a repository that nobody has created yet, this often. */
const FRESH_EVERY = 5;
const SEED = 0x0c0;

const ACTOR = fileURLToPath(new URL('./actor.ts', import.meta.url));

interface Image {
  readonly reference: string;
  readonly digest: string;
}

/** Small numbers that are the same in every run (xorshift32), so that a failure can be reproduced by its round. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed === 0 ? 1 : seed;
  }

  /** 0 to `sides` - 1. */
  roll(sides: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % sides;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.roll(from.length)] as T;
  }
}

/** One process that obeys, and the tags that only it touches: those are known exactly at any time. */
class Actor {
  readonly who: string;
  readonly tags = new Map<string, Image>();
  readonly #process: ChildProcess;

  constructor(who: string) {
    this.who = who;
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    this.#process = fork(ACTOR, { execArgv: [], env, stdio: [...stdio] });
  }

  obey(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error(`actor ${this.who} is gone`));
      this.#process.once('exit', onExit);
      this.#process.once('message', (answer: Answer) => {
        this.#process.off('exit', onExit);
        resolve(answer);
      });
      this.#process.send(order);
    });
  }

  stop(): void {
    this.#process.disconnect();
  }

  /** The next few acts, none of which may fail, whatever others do; `tags` is what there will be afterwards. */
  plan(dice: Dice, images: readonly Image[]): Act[] {
    return Array.from({ length: 1 + dice.roll(3) }, () => this.#act(dice, images));
  }

  #act(dice: Dice, images: readonly Image[]): Act {
    const name = `${this.who}-${dice.roll(3)}`;
    const own = [...this.tags.keys()];
    const image = dice.pick(images);
    const kind = dice.roll(own.length === 0 ? 5 : 12);
    if (kind < 3) {
      this.tags.set(name, image);
      const { reference: from, digest } = image;
      return kind < 2 ? { do: 'pull', from, name } : { do: 'pull, then tag', from, digest, name };
    }
    if (kind === 3) return { do: 'gc' };
    if (kind === 4) return { do: 'plan, then gc' };
    const mine = dice.pick(own);
    if (kind < 7) {
      this.tags.set(name, this.tags.get(mine) as Image);
      return { do: 'tag', image: mine, name };
    }
    if (kind < 10) {
      this.tags.delete(mine);
      return { do: 'untag', name: mine };
    }
    return kind === 10 ? { do: 'read', name: mine } : { do: 'gc' };
  }
}

function pausesOf(dice: Dice): Pause[] {
  return Array.from({ length: dice.roll(4) }, () => ({
    // An act makes between fifty and a thousand system calls: some pauses come at the very first ones, where locks are taken.
    before: dice.roll(dice.pick([40, 200, 1500])),
    ms: 1 + dice.roll(4),
  }));
}

/** Everything that must be, is: the tags, and through each of them every object; nothing is damaged, and garbage goes. */
async function expectWhole(path: string, tags: ReadonlyMap<string, Image>): Promise<void> {
  using repository = await openRepository(path);
  const found = repository.tags.list().map(({ name, manifestDigest }) => [name, manifestDigest]);
  deepEqual(found, [...tags].map(([name, { digest }]) => [name, digest]).sort());
  deepEqual((await checkRepository(repository)).findings, []);
  await collectGarbage(repository);
  deepEqual((await checkRepository(repository)).findings, []);
  const images = await checkOciImages(repository, { content: true, rebuild: true });
  deepEqual(images.findings, []);
  equal(images.imagesChecked, tags.size);
}

let temp: TempDir;
let images: Image[];
let actors: Actor[];
before(async () => {
  temp = makeMemoryDir();
  const layout = join(temp.path, 'layout');
  const base = {
    'usr/': '',
    'usr/a': 'a'.repeat(300),
    'usr/b': 'short',
    'usr/c': 'c'.repeat(5000),
  };
  const upper = { 'usr/': '', 'usr/.wh.a': '', 'usr/d': 'd'.repeat(400), 'usr/c2': base['usr/c'] };
  const other = { 'usr/': '', 'usr/e': 'e'.repeat(100), 'usr/d': upper['usr/d'] };
  images = [
    await writeTinyImage(layout, 'one', [{ files: base }]),
    await writeTinyImage(layout, 'two', [{ files: base }, { files: upper, compression: 'zstd' }]),
    await writeTinyImage(layout, 'three', [{ files: base }, { files: other, compression: 'none' }]),
    await writeTinyImage(layout, 'four', [{ files: other }]),
  ];
  actors = Array.from({ length: ACTORS }, (_, index) => new Actor('abc'.charAt(index)));
});
after(() => {
  for (const actor of actors) actor.stop();
  temp[Symbol.dispose]();
});

test(`${INTERLEAVINGS} interleavings of pull, tag, untag and gc in two or three processes lose no data and never fail`, async () => {
  const dice = new Dice(SEED);
  let path = '';
  let acts = 0;
  let syscalls = 0;
  for (let round = 0; round < INTERLEAVINGS; round += 1) {
    if (round % FRESH_EVERY === 0) {
      path = join(temp.path, `repo-${round}`);
      for (const actor of actors) actor.tags.clear();
    }
    const orders = actors.slice(0, 2 + dice.roll(ACTORS - 1)).map((actor) => {
      const order = { path, acts: actor.plan(dice, images), pauses: pausesOf(dice) };
      acts += order.acts.length;
      return { actor, order };
    });
    const answers = await Promise.all(orders.map(({ actor, order }) => actor.obey(order)));
    deepEqual(
      answers.filter(({ error }) => error !== undefined),
      [],
      `round ${round}: ${JSON.stringify(orders.map(({ order }) => order))}`,
    );
    for (const answer of answers) syscalls += answer.syscalls;
    await expectWhole(path, new Map(actors.flatMap(({ tags }) => [...tags])));
  }
  ok(acts > 2 * INTERLEAVINGS, `${acts} acts`);
  ok(syscalls > 100 * acts, `${syscalls} system calls`);
});
