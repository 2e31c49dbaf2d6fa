/** The interfaces of composefs-rs 0.9.4: the same methods, types and errors in the same order. Source: oci-and-cli section 6. */

const FSCK_REPORT = `(
  ok: bool,
  has_metadata: bool,
  objects_checked: int,
  objects_corrupted: int,
  streams_checked: int,
  streams_corrupted: int,
  images_checked: int,
  images_corrupted: int,
  broken_links: int,
  missing_objects: int,
  errors: []string
)`;

const MOUNT_OPTIONS = '(overlay: ?bool, read_write: ?bool)';
const XATTRS = '?(AllowlistOnly, KeepUserXattrs)';

/** `org.composefs.Repository`. */
export const REPOSITORY = `# Repositories: opening, checking and cleaning them, and mounting their images.
#
# A handle stands for a repository. It is good for all connections of a service.
interface org.composefs.Repository

# Creates a repository, and the directories above it. An existing one must match; the algorithm is fsverity-sha512-12 when none is given.
method InitRepository(path: string, algorithm: ?string, insecure: ?bool) -> (created: bool)

# Opens a repository whatever its configuration is, creates a missing one, and writes a missing meta.json.
method EnsureRepository(path: string, algorithm: ?string, insecure: ?bool) -> (status: (Opened, Created, Upgraded))

# Gives a handle. Exactly one of path, user and system must be set. objects_device_id is st_dev of the directory of objects: repositories
# with the same one can share data.
method OpenRepository(path: ?string, user: ?bool, system: ?bool) -> (handle: int, hash_algorithm: ?string, objects_device_id: ?int)

# Gives a handle back.
method CloseRepository(handle: int) -> ()

# Verifies the repository; with metadata_only, not the contents of the objects.
method Fsck(handle: int, metadata_only: ?bool) -> ${FSCK_REPORT}

# Removes what no reference and none of the roots reaches; with dry_run, only counts it.
method Gc(handle: int, dry_run: bool, roots: []string) -> (
  result: (objects_removed: int, objects_bytes: int, images_pruned: int, streams_pruned: int),
  dry_run: bool
)

# Lists the objects of an image, sorted, each with its algorithm before it.
method ImageObjects(handle: int, name: string) -> (object_ids: []string)

# Lists the names of images.
method ListImageRefs(handle: int) -> (images: [](name: string, digest: string))

# Mounts an image, attached nowhere: the reply passes the mount as a descriptor, at fd_index. With overlay, the call passes the upper and
# the work directory.
method Mount(handle: int, name: string, options: ${MOUNT_OPTIONS}) -> (fd_index: int)

# There is no repository, or it cannot be opened.
error RepoNotFound (message: string)

# No repository is open under this handle.
error InvalidHandle (handle: int)

# The call does not say what it means.
error InvalidSpec (message: string)

# The repository has no such image.
error NoSuchRef (reference: string)

# Something else went wrong.
error InternalError (message: string)
`;

/** `org.composefs.Oci`. */
export const OCI = `# OCI images in a repository, by the handles of org.composefs.Repository.
interface org.composefs.Oci

# Lists the tagged images whose name contains the filter.
method ListImages(handle: int, filter: ?string) -> (
  images: [](
    name: string,
    manifest_digest: string,
    is_container: bool,
    architecture: string,
    os: string,
    created: ?string,
    layer_count: int,
    referrer_count: int
  )
)

# Verifies the repository, and one image or all.
method Check(handle: int, image: ?string) -> (
  ok: bool,
  images_checked: int,
  images_corrupted: int,
  errors: []string,
  repo: ${FSCK_REPORT}
)

# Gives the stored manifest and config of an image (a tag, or @ and a digest), and its EROFS images.
method Inspect(handle: int, image: string) -> (
  manifest: string,
  config: string,
  referrers: []string,
  composefs_erofs: ?string,
  composefs_boot_erofs: ?string
)

# Gives an image a tag.
method Tag(handle: int, manifest_digest: string, name: string) -> ()

# Removes a tag.
method Untag(handle: int, name: string) -> ()

# Computes the id of the EROFS image of an image (a tag, or @ and the digest of a config).
method ComputeId(handle: int, image: string, verity: ?string, bootable: bool, xattrs: ${XATTRS}) -> (image_id: string)

# Pulls an image. With "more" its progress comes first, one member a reply; the last reply has completed. expected_digest searches the way
# of making the bootable image that gives this id.
method Pull(
  handle: int,
  image: string,
  name: ?string,
  local_fetch: string,
  storage_root: ?string,
  bootable: bool,
  xattrs: ${XATTRS},
  expected_digest: ?string
) -> (
  started: ?(id: string, total: ?int, unit: (Bytes, Items)),
  progress: ?(id: string, fetched: int, total: ?int),
  skipped: ?(id: string),
  done: ?(id: string, transferred: int),
  message: ?string,
  completed: ?(
    manifest_digest: string,
    config_digest: string,
    manifest_verity: string,
    config_verity: string,
    stats: string,
    boot_image: ?string,
    boot_image_mode: ?string,
    boot_image_format_version: ?string
  )
)

# Mounts the EROFS image of an image, as org.composefs.Repository.Mount does.
method OciMount(handle: int, image: string, bootable: bool, options: ${MOUNT_OPTIONS}) -> (fd_index: int)

# Lists what this service can do.
method GetInfo() -> (features: []string)

# Looks for a layer by its diff id.
method HasLayer(handle: int, diff_id: string) -> (present: bool, layer_verity: ?string)

# Gives a layer as a splitdirfdstream. The descriptors of all replies together are: the stream, dir_count directories, and descriptors
# to hold until the stream was read.
method GetLayer(
  handle: int,
  params: (
    diff_id: ?string,
    storage: ?(storage_path: string, layer_id: string),
    consumer_has_cap_dac_override: bool
  )
) -> (dir_count: int)

# Takes a layer as a splitdirfdstream: the first descriptor is the stream, the others are its directories. It is read to its end in any
# case, and stored only if its bytes have the diff id.
method PutLayer(handle: int, diff_id: string, zerocopy: bool) -> (
  layer_verity: string,
  already_present: bool,
  objects_reflinked: int,
  objects_hardlinked: int,
  objects_copied: int,
  objects_already_present: int
)

# Stores the manifest and config of an image whose layers are stored, makes its EROFS images, and gives it a tag.
method FinalizeImage(
  handle: int,
  manifest_json: string,
  config_json: string,
  layers: [](diff_id: string, layer_verity: string),
  name: ?string
) -> (manifest_digest: string, manifest_verity: string, config_digest: string, config_verity: string)

# There is no repository, or it cannot be opened.
error RepoNotFound (message: string)

# No repository is open under this handle.
error InvalidHandle (handle: int)

# The repository has no such image.
error NoSuchImage (image: string)

# Something else went wrong.
error InternalError (message: string)

# The repository has no such layer.
error NoSuchLayer (diff_id: string)

# This is no digest.
error InvalidDigest (message: string)

# The bytes of a layer have another digest; nothing was stored.
error DiffIdMismatch (expected: string, actual: string)

# The call does not fit together.
error InvalidRequest (message: string)

# One reply cannot pass as many descriptors: call with "more".
error FdLimitExceeded (fd_count: int, max_per_frame: int)

# No way of making the bootable image gives the expected id.
error BootImageMismatch (expected: string, tried: int)
`;
