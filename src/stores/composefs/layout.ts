import { ALGORITHMS, type VerityAlgorithm } from '#formats/fsverity';

/** Name of the metadata file in the repository directory. Source: composefs-rs 0.9 repository.rs. */
export const META_NAME = 'meta.json';
/** The directory of onecopy in a repository. Its contents may be deleted at any time. Other tools ignore it. */
export const OWN = '.onecopy';
/** Marks of damaged objects and streams: one empty file for each object (by id) and stream (by name). */
export const SUSPECTS = `${OWN}/suspect`;
/** Marks of images whose content was verified: one small file for each. */
export const VERIFIED = `${OWN}/verified`;
/** Partially fetched blobs, one file each, named by digest. */
export const PARTIALS = `${OWN}/partial`;
/** Temporary folders of exports into folders, one small file for each run. */
export const EXPORTS = `${OWN}/exports`;
/** Leases of running pulls, two files each: what a garbage collection keeps for them. */
export const LEASES = `${OWN}/leases`;
/** Total size of partial blobs that a garbage collection keeps, in bytes. */
export const PARTIALS_BYTES_MAX = 16 * 2 ** 30;
/** Directories of what spares a pull work: TOCs of layers, what contents they have, how hosts answer ranges. */
export const KEPT = { tocs: 'toc', contents: 'contents', hosts: 'hosts' } as const;
/** How long a TOC or an index of contents is kept, in seconds, and most bytes of each kind. */
export const KEPT_SEC = 180 * 24 * 3600;
export const KEPT_BYTES_MAX = 2 * 2 ** 30;
/** How long the behaviour of a host is remembered, in seconds, and most bytes of all of them. */
export const HOST_KEPT_SEC = 24 * 3600;
export const HOSTS_BYTES_MAX = 2 ** 20;
/** How long after it last grew a garbage collection leaves a partial blob, in seconds. */
export const PARTIAL_KEPT_SEC = 7 * 24 * 3600;
/** Uploads that were begun: one note for each blob and repository of a registry. */
export const UPLOADS = `${OWN}/uploads`;
/** How long a garbage collection leaves the note of an upload, in seconds: registries forget uploads sooner. */
export const UPLOAD_KEPT_SEC = 7 * 24 * 3600;
/** What accepted an image when it was pulled: one note for each manifest. */
export const ACCEPTED = `${OWN}/accepted`;
/** The index that an image was chosen from when it was pulled: one note for each manifest. */
export const CHOSEN_FROM = `${OWN}/chosen-from`;
/** The repositories of registries that an image came from: one note for each manifest. */
export const ORIGINS = `${OWN}/origins`;
/** How long such a note may outlive its image, in seconds. */
export const ORPHAN_KEPT_SEC = 24 * 3600;
/** Longest note that is read, in bytes. */
export const NOTE_MAX_BYTES = 65_536;
/** Largest number of marks of suspects. If more is damaged, everything is suspect. */
export const SUSPECTS_MAX = 10_000;
/** Directory of the objects. Source: composefs-rs 0.9 repository.rs. */
export const OBJECTS = 'objects';
/** The two directories of named things. Source: composefs-rs 0.9 repository.rs. */
export const CATEGORIES = ['images', 'streams'] as const;
/** Directory of named references below each category; links in it are roots of garbage collection. */
export const REFS = 'refs';

/** Mode of a new repository directory. Source: composefs-rs 0.9 `init`. */
export const REPOSITORY_MODE = 0o700;
/** Mode of the directories inside, before the umask. Source: composefs-rs 0.9 `ensure_dir`. */
export const DIRECTORY_MODE = 0o755;
/** Mode of objects and of meta.json, before the umask. Source: composefs-rs 0.9 object tmpfile. */
export const FILE_MODE = 0o644;

/** Prefix of a named staging file, used if O_TMPFILE is not supported. Source: composefs-rs 0.9 object tmpfile. */
export const STAGING_PREFIX = '.tmp-object-';
/** Prefix of the temporary link of an atomic replacement. Source: composefs-rs 0.9 `replace_symlinkat`. */
export const LINK_PREFIX = '.symlink-';

/** Size limit of meta.json, in bytes; a usual one has about 220. */
export const META_BYTES_MAX = 1 << 20;
/** Size limit of an image that is read completely, in bytes. Source: composefs-rs 0.9 erofs reader limit. */
export const IMAGE_BYTES_MAX = 1 << 30;
/** Longest file name, in bytes. Source: Linux limits.h NAME_MAX. */
export const NAME_BYTES_MAX = 255;
/** Deepest directory below `refs/` that is walked. */
export const REFS_DEPTH_MAX = 64;

/** The 256 fan-out directories, `00` to `ff`. */
export const FAN_OUT: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

/** Length of an object's file name inside its fan-out directory: 62 (SHA-256) or 126 (SHA-512) characters. */
export function objectNameLength(algorithm: VerityAlgorithm): number {
  return ALGORITHMS[algorithm].digestBytes * 2 - 2;
}

/** Name of the temporary link of an atomic replacement. A leftover of a crash has no meaning. */
export const LINK_NAME = /^\.symlink-[A-Za-z0-9]{12}$/;
/** Name of a named staging file. */
export const STAGING_NAME = /^\.tmp-object-/;
