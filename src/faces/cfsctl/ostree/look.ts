import { formatMetadata, listCommitRefs, openCommit, tagCommit, untagCommit } from '#work/commits';
import { renderGrid } from '../grid.ts';
import type { Setting } from '../setting.ts';

/** `ostree images` */
export async function images(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const rows = listCommitRefs(repository);
  if (rows.length === 0) await setting.print('No ostree commits found');
  else {
    const cells = rows.map(({ name, commit }) => [name, commit]);
    await setting.write(renderGrid(['NAME', 'COMMIT'], cells));
  }
}

/** `ostree inspect SOURCE` */
export async function inspect(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given } = setting;
  const { checksum, commit } = openCommit(repository, given.operand(0));
  if (given.has('metadata')) {
    await setting.print(...formatMetadata(commit.metadata));
    return;
  }
  const { parent, subject, body } = commit;
  await setting.print(
    `commit  ${checksum}`,
    ...(parent === undefined ? [] : [`parent  ${parent}`]),
    `date    ${dateOf(commit.timestampSec)}`,
    `tree    ${commit.rootTree}`,
    `dirmeta ${commit.rootMeta}`,
    ...(subject === '' ? [] : ['', subject]),
    ...(body === '' ? [] : ['', body.replace(/\n$/, '')]),
  );
}

function dateOf(timestampSec: bigint): string {
  const text = new Date(Number(timestampSec) * 1000).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`;
}

/** `ostree tag SOURCE NAME` */
export async function tag(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [source = '', name = ''] = setting.given.operands;
  repository.ensureWritable();
  tagCommit(repository, source, name);
  await setting.print(`Tagged ${source} as ${name}`);
}

/** `ostree untag NAME` */
export async function untag(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  untagCommit(repository, setting.given.operand(0));
}
