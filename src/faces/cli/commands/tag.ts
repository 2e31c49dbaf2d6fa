import { findTag, openOciImage, planRemoval, removeImage, tagImage, untagImage } from '#work/image';
import type { Action } from '../context.ts';
import { openSelected } from '../repository.ts';

/** `tag`: gives an image another name. */
export const tag: Action = async (context, [name = '', newName = '']) => {
  using repository = await openSelected(context);
  const manifestDigest = context.dryRun
    ? openOciImage(repository, name).manifestDigest
    : tagImage(repository, name, newName);
  if (context.out.json) {
    context.out.document({ dryRun: context.dryRun, name: newName, manifestDigest });
  }
  context.out.line(`${context.dryRun ? 'Would tag' : 'Tagged'} ${manifestDigest} as ${newName}`);
  return 0;
};

/** `untag`: takes names away; also names that lead nowhere. */
export const untag: Action = async (context, names) => {
  using repository = await openSelected(context);
  for (const name of names) {
    if (context.dryRun) findTag(repository, name);
    else untagImage(repository, name);
    context.out.line(`${context.dryRun ? 'Would remove' : 'Removed'} name ${name}`);
  }
  if (context.out.json) context.out.document({ dryRun: context.dryRun, removed: names });
  return 0;
};

/** `rm`: removes images by name, or by @digest with all their names. Their bytes go with the next gc. */
export const rm: Action = async (context, names) => {
  using repository = await openSelected(context);
  const remove = context.dryRun ? planRemoval : removeImage;
  const removed = names.map((name) => remove(repository, name));
  if (context.out.json) context.out.document({ dryRun: context.dryRun, removed });
  for (const { manifestDigest, names: gone, remaining } of removed) {
    const said = context.dryRun ? 'Would remove' : 'Removed';
    context.out.line(`${said} ${gone.join(', ')} (${manifestDigest})`);
    if (remaining.length > 0) context.out.line(`  still named ${remaining.join(', ')}`);
  }
  context.out.note('gc frees what nothing names any more');
  return 0;
};
