import { availableParallelism } from 'node:os';
import { checkOciImages, checkRepository, type OciCheckReport } from '#work/check';
import { manifestStreamName } from '#work/image';
import type { Repository } from '#work/repository';
import type { Setting } from '../setting.ts';
import { ociFsckDocument, renderOciFsckText } from './fsck-report.ts';

/** `oci fsck [IMAGE]` */
export async function fsck(setting: Setting): Promise<number | undefined> {
  using repository = await setting.open();
  const { given, signal } = setting;
  const [name] = given.operands;
  const report = await checkRepository(repository, { signal, workers: availableParallelism() });
  const checked = await checkOciImages(repository, {
    signal,
    // composefs-rs ignores tags of indexes.
    names: name === undefined ? repository.tags.list().map((tag) => tag.name) : [name],
  });
  const images = name === undefined ? checked : withUnresolved(repository, name, checked);
  if (given.has('json')) {
    await setting.print(JSON.stringify(ociFsckDocument(report, images), undefined, 2));
    return undefined;
  }
  await setting.write(renderOciFsckText(report, images));
  if (report.ok && images.ok) return undefined;
  setting.warn('Error: OCI integrity check failed\n');
  return 1;
}

/** A name that was given is resolved first, and then has to lead to a manifest. */
function withUnresolved(
  { tags, streams }: Repository,
  name: string,
  report: OciCheckReport,
): OciCheckReport {
  const [finding] = report.findings;
  if (finding?.kind !== 'manifest-read-failed') return report;
  const digest = tags.resolve(name)?.manifestDigest;
  if (digest === undefined || streams.has(manifestStreamName(digest))) return report;
  const detail = `Manifest ${digest} not found`;
  return { ...report, findings: [{ ...finding, kind: 'ref-resolve-failed', detail }] };
}
