import type { DiffId } from '#base/digest';
import { describeLayer, dumpLayer, readStream, requireLayer } from '#work/dump';
import { importTar } from '#work/ingest';
import type { Setting } from '../setting.ts';

/** Characters gathered before they are written. */
const PIECE_LENGTH = 64 * 1024;

/** `oci layer DIFF_ID` */
export async function layer(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given } = setting;
  const diffId = given.operand(0) as DiffId;
  if (given.has('json')) {
    const found = describeLayer(repository, diffId);
    const document = {
      diffId: found.diffId,
      verity: found.streamId,
      size: found.sizeBytes,
      entryCount: found.entries,
      splitstream: {
        externalObjects: found.externalObjects,
        externalSize: found.externalBytes,
        inlineSize: found.inlineBytes,
      },
    };
    await setting.print(JSON.stringify(document, undefined, 2));
    return;
  }
  if (given.has('dumpfile')) {
    let text = '';
    for (const line of dumpLayer(repository, diffId)) {
      text += line;
      if (text.length < PIECE_LENGTH) continue;
      await setting.write(text);
      text = '';
    }
    await setting.write(text);
    return;
  }
  setting.refuseTerminal('the layer');
  const id = requireLayer(repository, diffId);
  for (const piece of readStream(repository, { id })) await setting.write(piece);
}

/** `oci import-layer DIGEST [NAME]` */
export async function importLayer(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const [digest = '', name] = setting.given.operands;
  const id = await importTar(repository, setting.readInput(), {
    diffId: digest as DiffId,
    reading: 'cfsctl',
    ref: name,
    signal: setting.signal,
  });
  await setting.print(`${repository.algorithm}:${id}`);
}
