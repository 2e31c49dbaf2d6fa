import type { Text } from './text.ts';

/** Loads the text of a verb. A verb that gives contents alone has none. */
export type LoadText = () => Promise<Text<never>>;

/** The text of each verb of the table of verbs. */
export const TEXTS: Readonly<Record<string, LoadText>> = {
  pull: async () => (await import('./pull.ts')).text,
  export: async () => (await import('./export.ts')).text,
  push: async () => (await import('./push.ts')).text,
  copy: async () => (await import('./copy.ts')).text,
  images: async () => (await import('./images.ts')).text,
  inspect: async () => (await import('./inspect.ts')).text,
  history: async () => (await import('./history.ts')).text,
  tag: async () => (await import('./tag.ts')).text,
  untag: async () => (await import('./untag.ts')).text,
  rm: async () => (await import('./rm.ts')).text,
  tags: async () => (await import('./tags.ts')).text,
  referrers: async () => (await import('./referrers.ts')).text,
  login: async () => (await import('./login.ts')).text,
  logout: async () => (await import('./logout.ts')).text,
  ls: async () => (await import('./ls.ts')).text,
  tree: async () => (await import('./tree.ts')).text,
  stat: async () => (await import('./stat.ts')).text,
  find: async () => (await import('./find.ts')).text,
  cp: async () => (await import('./cp.ts')).text,
  diff: async () => (await import('./diff.ts')).text,
  mount: async () => (await import('./mount.ts')).text,
  umount: async () => (await import('./umount.ts')).text,
  'image id': async () => (await import('./image-id.ts')).text,
  'image create': async () => (await import('./image-create.ts')).text,
  'ostree pull': async () => (await import('./ostree-pull.ts')).text,
  'ostree list-refs': async () => (await import('./ostree-list-refs.ts')).text,
  'ostree show': async () => (await import('./ostree-show.ts')).text,
  'ostree commit': async () => (await import('./ostree-commit.ts')).text,
  'ostree export': async () => (await import('./ostree-export.ts')).text,
  'ostree apply-delta': async () => (await import('./ostree-apply-delta.ts')).text,
  init: async () => (await import('./init.ts')).text,
  df: async () => (await import('./df.ts')).text,
  gc: async () => (await import('./gc.ts')).text,
  fsck: async () => (await import('./fsck.ts')).text,
  'inspect-format': async () => (await import('./inspect-format.ts')).text,
  doctor: async () => (await import('./doctor.ts')).text,
};
