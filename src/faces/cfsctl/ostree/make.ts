import { exportCommit } from '#work/export-commit';
import { commitTree } from '#work/make-commit';
import type { Setting } from '../setting.ts';

/** `ostree export SOURCE OSTREE_REPO` */
export async function exportTo(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given, signal } = setting;
  const [source = '', path = ''] = given.operands;
  const reference = given.value('reference');
  const { commit, refs } = await exportCommit(repository, source, path, {
    refs: reference === undefined ? [] : [reference],
    signal,
  });
  await setting.print(`commit  ${commit}`, ...refs.map((ref) => `tagged  ${ref}`));
}

/** `ostree commit IMAGE` */
export async function commit(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given, signal } = setting;
  const ref = given.value('reference');
  const source = { kind: 'image', name: given.operand(0) } as const;
  const done = await commitTree(repository, [source], {
    ref,
    subject: given.value('subject'),
    reading: 'cfsctl',
    signal,
  });
  const tagged = done.ref === undefined ? [] : [`tagged  ${done.ref}`];
  await setting.print(`commit  ${done.commit}`, `verity  ${done.streamId}`, ...tagged);
}
