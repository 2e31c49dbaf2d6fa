/**
 * Names and limits of image layouts on a disk.
 * Sources: image-spec v1.1.1 image-layout.md; containers-transports(5) for `dir:` and `docker-archive:`.
 */

/** Default limit for the size of a compressed archive after decompression, in bytes. */
export const SPOOL_MAX_BYTES = 64 * 1024 ** 3;

/** Member of a Docker archive that lists its images. */
export const DOCKER_ARCHIVE_INDEX = 'manifest.json';

/** First line of the file `version` in a `dir:` directory. Blobs are files named by the hex of their digest. */
export const DIR_VERSION = 'Directory Transport Version: 1.1\n';
