import { grammar as adopt } from './adopt.ts';
import { grammar as cat } from './cat.ts';
import { grammar as copy } from './copy.ts';
import { grammar as cp } from './cp.ts';
import { grammar as dedup } from './dedup.ts';
import { grammar as df } from './df.ts';
import { grammar as diff } from './diff.ts';
import { grammar as doctor } from './doctor.ts';
import { grammar as exportVerb } from './export.ts';
import { grammar as find } from './find.ts';
import { grammar as fsck } from './fsck.ts';
import { grammar as gc } from './gc.ts';
import type { Grammar } from './grammar.ts';
import { grammar as history } from './history.ts';
import { grammar as imageCreate } from './image-create.ts';
import { grammar as imageDump } from './image-dump.ts';
import { grammar as imageId } from './image-id.ts';
import { grammar as images } from './images.ts';
import { grammar as init } from './init.ts';
import { grammar as inspect } from './inspect.ts';
import { grammar as inspectFormat } from './inspect-format.ts';
import { grammar as login } from './login.ts';
import { grammar as logout } from './logout.ts';
import { grammar as ls } from './ls.ts';
import { grammar as mount } from './mount.ts';
import { grammar as ostreeApplyDelta } from './ostree-apply-delta.ts';
import { grammar as ostreeCommit } from './ostree-commit.ts';
import { grammar as ostreeExport } from './ostree-export.ts';
import { grammar as ostreeListRefs } from './ostree-list-refs.ts';
import { grammar as ostreePull } from './ostree-pull.ts';
import { grammar as ostreeShow } from './ostree-show.ts';
import { grammar as pull } from './pull.ts';
import { grammar as push } from './push.ts';
import { grammar as referrers } from './referrers.ts';
import { grammar as rm } from './rm.ts';
import { grammar as stat } from './stat.ts';
import { grammar as tag } from './tag.ts';
import { grammar as tags } from './tags.ts';
import { grammar as tree } from './tree.ts';
import { grammar as umount } from './umount.ts';
import {
  unifiedEnable,
  unifiedFsck,
  unifiedImages,
  unifiedPrune,
  unifiedPull,
  unifiedRelabel,
  unifiedStatus,
  unifiedSync,
} from './unified.ts';
import { grammar as untag } from './untag.ts';
import { grammar as why } from './why.ts';

/** The grammar of each verb of the table of verbs. */
export const GRAMMARS: Readonly<Record<string, Grammar>> = {
  pull,
  export: exportVerb,
  push,
  copy,
  images,
  inspect,
  history,
  tag,
  untag,
  rm,
  tags,
  referrers,
  login,
  logout,
  ls,
  tree,
  cat,
  stat,
  find,
  cp,
  diff,
  mount,
  umount,
  'image dump': imageDump,
  'image id': imageId,
  'image create': imageCreate,
  'ostree pull': ostreePull,
  'ostree list-refs': ostreeListRefs,
  'unified status': unifiedStatus,
  'unified enable': unifiedEnable,
  'unified pull': unifiedPull,
  'unified images': unifiedImages,
  'unified fsck': unifiedFsck,
  'unified prune': unifiedPrune,
  'unified sync': unifiedSync,
  'unified relabel': unifiedRelabel,
  'ostree show': ostreeShow,
  'ostree commit': ostreeCommit,
  'ostree export': ostreeExport,
  'ostree apply-delta': ostreeApplyDelta,
  init,
  df,
  why,
  dedup,
  adopt,
  gc,
  fsck,
  'inspect-format': inspectFormat,
  doctor,
};
