import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { encodeMetadataDict, withSignature } from '#formats/ostree';
import { createTrustPolicy, verifyCommit } from '#work/pull-commit';
import { needs } from '../support/capability.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** Keys are made and used in the past, so that what is true of them today stays true. */
const MADE = '20200101T000000';
const SIGNED = '20200110T000000';
const CHANGED = '20200301T000000';
const FUTURE = '20900101T000000';
const MONTH = 'seconds=2592000';
const YEARS = '2090-01-01';
const REASONS = ['no reason', 'compromised', 'superseded', 'retired'];

/** What happens to a key, and whether GnuPG and libostree believe its signature now. */
interface Case {
  readonly name: string;
  readonly isGood: boolean;
  /** True for a key that GnuPG believes and we call weak. */
  readonly isWeak?: boolean;
  /** Makes keys and a signature over the commit, and changes the keys. */
  run(gpg: Gpg): void;
}

const CASES: readonly Case[] = [
  { name: 'valid', isGood: true, run: (gpg) => gpg.make('ed25519', 'sign', YEARS).sign() },
  { name: 'expired', isGood: false, run: (gpg) => gpg.make('ed25519', 'sign', MONTH).sign() },
  {
    name: 'renewed',
    isGood: true,
    run: (gpg) => gpg.make('ed25519', 'sign', MONTH).sign().at(SIGNED).expire(YEARS),
  },
  {
    name: 'renewed long after it had expired',
    isGood: true,
    run: (gpg) => gpg.make('ed25519', 'sign', MONTH).sign().at(CHANGED).expire('never'),
  },
  {
    name: 'shortened later',
    isGood: false,
    run: (gpg) => gpg.make('ed25519', 'sign', 'never').sign().at(SIGNED).expire(MONTH),
  },
  ...REASONS.map((reason, index) => ({
    name: `revoked: ${reason}`,
    isGood: false,
    run: (gpg: Gpg) => gpg.make('ed25519', 'sign', 'never').sign().at(CHANGED).revoke(index),
  })),
  {
    name: 'revoked in the future',
    isGood: false,
    run: (gpg) => gpg.make('ed25519', 'sign', 'never').sign().at(FUTURE).revoke(3),
  },
  {
    name: 'subkey valid',
    isGood: true,
    run: (gpg) => gpg.make('ed25519', 'cert', 'never').subkey(YEARS).sign(),
  },
  {
    name: 'subkey expired',
    isGood: false,
    run: (gpg) => gpg.make('ed25519', 'cert', 'never').subkey(MONTH).sign(),
  },
  {
    name: 'subkey renewed',
    isGood: true,
    run: (gpg) =>
      gpg.make('ed25519', 'cert', 'never').subkey(MONTH).sign().at(CHANGED).expireSubkey('never'),
  },
  ...[0, 1, 2, 3].map((index) => ({
    name: `subkey revoked: ${REASONS[index]}`,
    isGood: false,
    run: (gpg: Gpg) =>
      gpg.make('ed25519', 'cert', 'never').subkey('never').sign().at(CHANGED).revokeSubkey(index),
  })),
  {
    name: 'primary expired, subkey not',
    isGood: false,
    run: (gpg) => gpg.make('ed25519', 'cert', MONTH).subkey('never').sign(),
  },
  {
    name: 'primary renewed, subkey never expired',
    isGood: true,
    run: (gpg) =>
      gpg.make('ed25519', 'cert', MONTH).subkey('never').sign().at(CHANGED).expire('never'),
  },
  {
    name: 'primary revoked, subkey not',
    isGood: false,
    run: (gpg) => gpg.make('ed25519', 'cert', 'never').subkey('never').sign().revoke(3),
  },
  {
    name: 'key from the future',
    isGood: false,
    run: (gpg) => gpg.at(FUTURE).make('ed25519', 'sign', 'never').sign(FUTURE),
  },
  {
    name: 'signature from the future',
    isGood: true,
    run: (gpg) => gpg.make('ed25519', 'sign', 'never').sign(FUTURE),
  },
  {
    name: 'signature expired',
    isGood: false,
    run: (gpg) => gpg.make('ed25519', 'sign', 'never').sign(SIGNED, '--default-sig-expire', '1m'),
  },
  {
    name: 'key may no longer sign',
    isGood: false,
    run: (gpg) =>
      gpg.make('ed25519', 'sign,cert', 'never').sign().edit('change-usage\ns\nq\nsave\n'),
  },
  {
    name: 'revoked by a key that it named for this',
    isGood: false,
    run: (gpg) => gpg.make('ed25519', 'sign', 'never').sign().revokeByOther(),
  },
  {
    name: 'user id replaced',
    isGood: true,
    run: (gpg) =>
      gpg.make('ed25519', 'sign', 'never').sign().addUser().edit('1\nrevuid\ny\n0\n\ny\nsave\n'),
  },
  {
    name: 'disabled in the trust database of its owner',
    isGood: true,
    run: (gpg) => gpg.make('ed25519', 'sign', 'never').sign().edit('disable\nsave\n'),
  },
  {
    name: 'RSA',
    isGood: true,
    run: (gpg) => gpg.make('rsa2048', 'sign', 'never').sign(),
  },
  {
    name: 'RSA of 1024 bits',
    isGood: true,
    isWeak: true,
    run: (gpg) => gpg.make('rsa1024', 'sign', 'never').sign(),
  },
  {
    name: 'DSA',
    isGood: true,
    isWeak: true,
    run: (gpg) => gpg.make('dsa2048', 'sign', 'never').sign(),
  },
];

/** One key of one GnuPG home, and what is done with it. */
class Gpg {
  readonly #home: string;
  readonly #user: string;
  readonly #data: string;
  #time = MADE;
  #fingerprints: string[] = [];
  #revoker: readonly string[] = [];
  signature: Uint8Array = new Uint8Array();
  /** The keyring as it was when the signature was made. */
  older: Uint8Array = new Uint8Array();

  constructor(home: string, user: string, data: string) {
    this.#home = home;
    this.#user = user;
    this.#data = data;
  }

  at(time: string): this {
    this.#time = time;
    return this;
  }

  make(algorithm: string, usage: string, expire: string): this {
    this.#batch('--quick-gen-key', this.#user, algorithm, usage, expire);
    return this.#list();
  }

  subkey(expire: string): this {
    this.#batch('--quick-add-key', this.#primary, 'ed25519', 'sign', expire);
    return this.#list();
  }

  expire(expire: string): this {
    this.#batch('--quick-set-expire', this.#primary, expire);
    return this;
  }

  expireSubkey(expire: string): this {
    this.#batch('--quick-set-expire', this.#primary, expire, this.#fingerprints.at(-1) ?? '');
    return this;
  }

  addUser(): this {
    this.#batch('--quick-add-uid', this.#primary, `other ${this.#user}`);
    return this;
  }

  sign(time = SIGNED, ...options: readonly string[]): this {
    const key = `${this.#fingerprints.at(-1)}!`;
    const args = ['--faked-system-time', time, '-u', key, ...options, '--detach-sign', '-o', '-'];
    this.signature = this.#run([...args, this.#data]).stdout;
    this.older = this.export();
    return this;
  }

  revoke(reason: number): this {
    const text = this.#ask(`y\n${reason}\n\ny\n`, '--gen-revoke', this.#primary).stdout;
    this.#run(['--import'], text);
    return this;
  }

  revokeSubkey(reason: number): this {
    return this.edit(`key 1\nrevkey\ny\n${reason}\n\ny\nsave\n`);
  }

  revokeByOther(): this {
    const other = `revoker of ${this.#user}`;
    this.#batch('--quick-gen-key', other, 'ed25519', 'sign', 'never');
    this.#revoker = [`=${other}`];
    this.edit(`addrevoker\n=${other}\ny\nsave\n`);
    const text = this.#ask('y\n0\n\ny\n', '--desig-revoke', this.#primary).stdout;
    this.#run(['--import'], text);
    return this;
  }

  edit(answers: string): this {
    this.#ask(answers, '--expert', '--edit-key', this.#primary);
    return this;
  }

  export(): Uint8Array {
    return this.#run(['--export', this.#primary, ...this.#revoker]).stdout;
  }

  get #primary(): string {
    return this.#fingerprints[0] ?? '';
  }

  #list(): this {
    const listed = this.#run(['--list-keys', '--with-colons', `=${this.#user}`]).stdout;
    const fingerprints = listed.toString().matchAll(/^fpr:+([0-9A-F]{40}):/gm);
    this.#fingerprints = [...fingerprints].map(([, found]) => found ?? '');
    return this;
  }

  #batch(...args: readonly string[]): void {
    this.#run(['--faked-system-time', this.#time, '--passphrase', '', ...args]);
  }

  #ask(answers: string, ...args: readonly string[]): { readonly stdout: Buffer } {
    const options = ['--no-batch', '--no-tty', '--command-fd', '0', '--status-fd', '2'];
    return this.#run(['--faked-system-time', this.#time, ...options, ...args], answers);
  }

  #run(args: readonly string[], input: string | Uint8Array = ''): { readonly stdout: Buffer } {
    const all = ['--homedir', this.#home, '-q', '--batch', '--pinentry-mode', 'loopback', ...args];
    const { status, stdout, stderr } = spawnSync('gpg', all, { input });
    assert.equal(status, 0, `gpg ${args.join(' ')}: ${stderr}`);
    return { stdout };
  }
}

function run(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args).status === 0;
}

test('keys are valid by their present state, as for GnuPG and ostree, whatever held at signing', async (t) => {
  if (!needs(t, 'tool:ostree', 'tool:gpg')) return;
  using temp = makeTempDir();
  const { path } = temp;
  mkdirSync(`${path}/gpg`, { mode: 0o700 });
  mkdirSync(`${path}/tree`);
  assert.ok(run('ostree', 'init', `--repo=${path}/source`, '--mode=archive'));
  const tree = ['-b', 'main', `--tree=dir=${path}/tree`];
  assert.ok(run('ostree', 'commit', `--repo=${path}/source`, ...tree));
  assert.ok(run('ostree', 'init', `--repo=${path}/empty`, '--mode=archive'));
  const commit = findCommit(`${path}/source/objects`);
  try {
    for (const one of CASES) await t.test(one.name, (t) => compare(t, one, path, commit));
  } finally {
    run('gpgconf', '--homedir', `${path}/gpg`, '--kill', 'all');
  }
});

async function compare(t: TestContext, one: Case, path: string, commit: string): Promise<void> {
  const gpg = new Gpg(`${path}/gpg`, `key ${t.name}`, commit);
  one.run(gpg);
  const ring = gpg.export();
  const bytes = readFileSync(commit);
  const detached = encodeMetadataDict(withSignature([], 'gpg', gpg.signature));
  const folder = `${path}/${t.name.replaceAll(/[^a-z]/g, '-')}`;
  cpSync(`${path}/source`, `${folder}/source`, { recursive: true });
  cpSync(`${path}/empty`, `${folder}/target`, { recursive: true });
  writeFileSync(commit.replace(path, folder).replace(/commit$/, 'commitmeta'), detached);
  writeFileSync(`${folder}/target/o.trustedkeys.gpg`, ring);
  const remote = `[remote "o"]\nurl=file://${folder}/source\ngpg-verify=true\n`;
  writeFileSync(`${folder}/target/config`, `${readFileSync(`${path}/empty/config`)}\n${remote}`);
  const theirs = run('ostree', 'pull', `--repo=${folder}/target`, 'o', 'main');
  assert.equal(theirs, one.isGood, 'ostree');
  // An older copy of the key in another keyring changes nothing.
  for (const keyrings of [[ring], [gpg.older, ring]]) {
    const trust = await createTrustPolicy({ gpgVerify: true, keys: { gpg: keyrings } });
    const claim = { bytes, detached, ref: 'main', current: undefined };
    const ours = verifyCommit(claim, trust);
    if (one.isGood && one.isWeak !== true) assert.equal((await ours).length, 1);
    else await assert.rejects(ours, { code: 'OSTREE_SIGNATURE_INVALID' });
  }
}

function findCommit(objects: string): string {
  const names = readdirSync(objects, { recursive: true, encoding: 'utf8' });
  return `${objects}/${names.find((name) => name.endsWith('.commit'))}`;
}
