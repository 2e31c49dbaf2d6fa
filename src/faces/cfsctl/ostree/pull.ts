import type { ObjectId, OstreeChecksum } from '#base/digest';
import { applyDeltaFile, listRemoteRefs, type OstreeAddress, pullCommit } from '#work/pull-commit';
import { renderGrid } from '../grid.ts';
import type { Setting } from '../setting.ts';

/** As the original: names of xattrs with their NUL, ids of streams before they name their image, and no look at bindings of refs. */
const AS_CFSCTL = { reading: 'cfsctl', withUpstreamId: true } as const;

/** `ostree pull-local REPO REF` */
export async function pullLocal(setting: Setting): Promise<undefined> {
  const [path = '', ref = ''] = setting.given.operands;
  await pullFrom(setting, { kind: 'local', path }, ref);
}

/** `ostree pull URL REF` */
export async function pull(setting: Setting): Promise<undefined> {
  const [url = '', ref = ''] = setting.given.operands;
  await pullFrom(setting, { kind: 'remote', url }, ref);
}

async function pullFrom(setting: Setting, source: OstreeAddress, ref: string): Promise<void> {
  using repository = await setting.open();
  const { given, signal } = setting;
  const base = given.value('base-name');
  const done = await pullCommit(repository, source, ref, {
    ...AS_CFSCTL,
    bases: base === undefined ? undefined : [base],
    deltas: given.has('no-delta') ? 'never' : 'auto',
    trust: { verifyBindings: false },
    signal,
  });
  const { counts, delta } = done;
  const metadata = counts.metadataFetched + (delta?.metadata ?? 0);
  const files = counts.filesFetched + (delta?.files ?? 0);
  const how = delta === undefined ? 'fetched' : `via ${delta.parts} delta parts`;
  const tagged = done.ref === undefined ? [] : [`tagged  ${done.ref}`];
  await setting.print(
    ...idLines(done),
    ...tagged,
    `objects ${metadata} metadata + ${files} files ${how}`,
  );
}

/** `ostree apply-delta PATH` */
export async function applyDelta(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given, signal } = setting;
  const done = await applyDeltaFile(repository, given.operand(0), { ...AS_CFSCTL, signal });
  await setting.print(
    ...idLines(done),
    `objects ${done.metadata} metadata + ${done.files} files applied`,
  );
}

function idLines(done: {
  readonly commit: OstreeChecksum;
  readonly streamId: ObjectId;
  readonly imageId: ObjectId | undefined;
  readonly upstreamId: ObjectId | undefined;
}): string[] {
  return [
    `commit  ${done.commit}`,
    `verity  ${done.upstreamId ?? done.streamId}`,
    `image   ${done.imageId}`,
  ];
}

/** `ostree list-refs URL` */
export async function listRefs(setting: Setting): Promise<undefined> {
  const { given, signal } = setting;
  const [url = ''] = given.operands;
  const { refs } = await listRemoteRefs(
    undefined,
    { url },
    { subset: given.value('subset'), signal },
  );
  if (refs.length === 0) await setting.print('No refs found');
  else {
    const cells = refs.map(({ name, commit }) => [name, commit]);
    await setting.write(renderGrid(['REF', 'COMMIT'], cells));
  }
}
