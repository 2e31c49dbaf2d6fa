import { dirname } from 'node:path';
import { prepareBoot } from '#work/boot';
import type { Setting } from '../setting.ts';
import { openConfigured } from './names.ts';

/** `oci prepare-boot CONFIG [CONFIG_VERITY]` */
export async function prepare(setting: Setting): Promise<undefined> {
  using repository = await setting.open();
  const { given, globals } = setting;
  const path = globals.value('repo');
  await prepareBoot(repository, openConfigured(setting, repository), {
    bootDirectory: given.value('bootdir') ?? '/boot',
    entryId: given.value('entry-id'),
    args: given.list('cmdline'),
    stateParent: path === undefined ? '/sysroot' : dirname(path),
  });
}
