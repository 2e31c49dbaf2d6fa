/**
 * Names and limits of image layouts on a disk.
 * Sources: image-spec v1.1.1 image-layout.md; containers-transports(5) for `dir:` and `docker-archive:`; POSIX.1-2017 pax,
 * "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
 */

/** Size of a tar block: headers are one, payloads fill whole ones. */
export const TAR_BLOCK_BYTES = 512;

/** Fields of a ustar header: offset and length in bytes. */
export const TAR_FIELDS = {
  name: { offset: 0, length: 100 },
  size: { offset: 124, length: 12 },
  checksum: { offset: 148, length: 8 },
  typeFlag: { offset: 156, length: 1 },
  linkName: { offset: 157, length: 100 },
  magic: { offset: 257, length: 5 },
  prefix: { offset: 345, length: 155 },
} as const;

/** Largest extension header payload (PAX records, GNU long names) of an archive, in bytes. */
export const EXTENSION_MAX_BYTES = 1024 * 1024;

/** Most members of an image archive. The largest real ones have a few thousand. */
export const MEMBERS_MAX = 262_144;

/** Longest chain of links between members. */
export const MEMBER_LINKS_MAX = 8;

/** Most bytes that a compressed archive may unpack to, unless the caller says another limit. */
export const SPOOL_MAX_BYTES = 64 * 1024 ** 3;

/** Member of a Docker archive that lists its images. */
export const DOCKER_ARCHIVE_INDEX = 'manifest.json';

/** First line of the file `version` in a `dir:` directory. Blobs are files named by the hex of their digest. */
export const DIR_VERSION = 'Directory Transport Version: 1.1\n';
