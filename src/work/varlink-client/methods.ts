/**
 * The methods of the varlink interfaces of composefs-rs 0.9.4, by their whole names. Declare more methods by merging with this interface. Written
 * by `npm run docs`.
 */
export interface VarlinkMethods {
  /** Creates a repository, and the directories above it. An existing one must match; the algorithm is fsverity-sha512-12 when none is given. */
  readonly 'org.composefs.Repository.InitRepository': {
    readonly input: {
      readonly path: string;
      readonly algorithm?: string | null | undefined;
      readonly insecure?: boolean | null | undefined;
    };
    readonly output: {
      readonly created: boolean;
    };
  };
  /** Opens a repository whatever its configuration is, creates a missing one, and writes a missing meta.json. */
  readonly 'org.composefs.Repository.EnsureRepository': {
    readonly input: {
      readonly path: string;
      readonly algorithm?: string | null | undefined;
      readonly insecure?: boolean | null | undefined;
    };
    readonly output: {
      readonly status: 'Opened' | 'Created' | 'Upgraded';
    };
  };
  /** Gives a handle. Exactly one of path, user and system must be set. objects_device_id is st_dev of the directory of objects: repositories with the same one can share data. */
  readonly 'org.composefs.Repository.OpenRepository': {
    readonly input: {
      readonly path?: string | null | undefined;
      readonly user?: boolean | null | undefined;
      readonly system?: boolean | null | undefined;
    };
    readonly output: {
      readonly handle: number;
      readonly hash_algorithm?: string | null | undefined;
      readonly objects_device_id?: number | null | undefined;
    };
  };
  /** Gives a handle back. */
  readonly 'org.composefs.Repository.CloseRepository': {
    readonly input: {
      readonly handle: number;
    };
    readonly output: Readonly<Record<string, never>>;
  };
  /** Verifies the repository; with metadata_only, not the contents of the objects. */
  readonly 'org.composefs.Repository.Fsck': {
    readonly input: {
      readonly handle: number;
      readonly metadata_only?: boolean | null | undefined;
    };
    readonly output: {
      readonly ok: boolean;
      readonly has_metadata: boolean;
      readonly objects_checked: number;
      readonly objects_corrupted: number;
      readonly streams_checked: number;
      readonly streams_corrupted: number;
      readonly images_checked: number;
      readonly images_corrupted: number;
      readonly broken_links: number;
      readonly missing_objects: number;
      readonly errors: readonly string[];
    };
  };
  /** Removes what no reference and none of the roots reaches; with dry_run, only counts it. */
  readonly 'org.composefs.Repository.Gc': {
    readonly input: {
      readonly handle: number;
      readonly dry_run: boolean;
      readonly roots: readonly string[];
    };
    readonly output: {
      readonly result: {
        readonly objects_removed: number;
        readonly objects_bytes: number;
        readonly images_pruned: number;
        readonly streams_pruned: number;
      };
      readonly dry_run: boolean;
    };
  };
  /** Lists the objects of an image, sorted, each with its algorithm before it. */
  readonly 'org.composefs.Repository.ImageObjects': {
    readonly input: {
      readonly handle: number;
      readonly name: string;
    };
    readonly output: {
      readonly object_ids: readonly string[];
    };
  };
  /** Lists the names of images. */
  readonly 'org.composefs.Repository.ListImageRefs': {
    readonly input: {
      readonly handle: number;
    };
    readonly output: {
      readonly images: readonly {
        readonly name: string;
        readonly digest: string;
      }[];
    };
  };
  /** Mounts an image, attached nowhere: the reply passes the mount as a descriptor, at fd_index. With overlay, the call passes the upper and the work directory. */
  readonly 'org.composefs.Repository.Mount': {
    readonly input: {
      readonly handle: number;
      readonly name: string;
      readonly options: {
        readonly overlay?: boolean | null | undefined;
        readonly read_write?: boolean | null | undefined;
      };
    };
    readonly output: {
      readonly fd_index: number;
    };
  };
  /** Lists the tagged images whose name contains the filter. */
  readonly 'org.composefs.Oci.ListImages': {
    readonly input: {
      readonly handle: number;
      readonly filter?: string | null | undefined;
    };
    readonly output: {
      readonly images: readonly {
        readonly name: string;
        readonly manifest_digest: string;
        readonly is_container: boolean;
        readonly architecture: string;
        readonly os: string;
        readonly created?: string | null | undefined;
        readonly layer_count: number;
        readonly referrer_count: number;
      }[];
    };
  };
  /** Verifies the repository, and one image or all. */
  readonly 'org.composefs.Oci.Check': {
    readonly input: {
      readonly handle: number;
      readonly image?: string | null | undefined;
    };
    readonly output: {
      readonly ok: boolean;
      readonly images_checked: number;
      readonly images_corrupted: number;
      readonly errors: readonly string[];
      readonly repo: {
        readonly ok: boolean;
        readonly has_metadata: boolean;
        readonly objects_checked: number;
        readonly objects_corrupted: number;
        readonly streams_checked: number;
        readonly streams_corrupted: number;
        readonly images_checked: number;
        readonly images_corrupted: number;
        readonly broken_links: number;
        readonly missing_objects: number;
        readonly errors: readonly string[];
      };
    };
  };
  /** Gives the stored manifest and config of an image (a tag, or @ and a digest), and its EROFS images. */
  readonly 'org.composefs.Oci.Inspect': {
    readonly input: {
      readonly handle: number;
      readonly image: string;
    };
    readonly output: {
      readonly manifest: string;
      readonly config: string;
      readonly referrers: readonly string[];
      readonly composefs_erofs?: string | null | undefined;
      readonly composefs_boot_erofs?: string | null | undefined;
    };
  };
  /** Gives an image a tag. */
  readonly 'org.composefs.Oci.Tag': {
    readonly input: {
      readonly handle: number;
      readonly manifest_digest: string;
      readonly name: string;
    };
    readonly output: Readonly<Record<string, never>>;
  };
  /** Removes a tag. */
  readonly 'org.composefs.Oci.Untag': {
    readonly input: {
      readonly handle: number;
      readonly name: string;
    };
    readonly output: Readonly<Record<string, never>>;
  };
  /** Computes the id of the EROFS image of an image (a tag, or @ and the digest of a config). */
  readonly 'org.composefs.Oci.ComputeId': {
    readonly input: {
      readonly handle: number;
      readonly image: string;
      readonly verity?: string | null | undefined;
      readonly bootable: boolean;
      readonly xattrs?: 'AllowlistOnly' | 'KeepUserXattrs' | null | undefined;
    };
    readonly output: {
      readonly image_id: string;
    };
  };
  /** Pulls an image. With "more" its progress comes first, one member a reply; the last reply has completed. expected_digest searches the way of making the bootable image that gives this id. */
  readonly 'org.composefs.Oci.Pull': {
    readonly input: {
      readonly handle: number;
      readonly image: string;
      readonly name?: string | null | undefined;
      readonly local_fetch: string;
      readonly storage_root?: string | null | undefined;
      readonly bootable: boolean;
      readonly xattrs?: 'AllowlistOnly' | 'KeepUserXattrs' | null | undefined;
      readonly expected_digest?: string | null | undefined;
    };
    readonly output: {
      readonly started?:
        | {
            readonly id: string;
            readonly total?: number | null | undefined;
            readonly unit: 'Bytes' | 'Items';
          }
        | null
        | undefined;
      readonly progress?:
        | {
            readonly id: string;
            readonly fetched: number;
            readonly total?: number | null | undefined;
          }
        | null
        | undefined;
      readonly skipped?:
        | {
            readonly id: string;
          }
        | null
        | undefined;
      readonly done?:
        | {
            readonly id: string;
            readonly transferred: number;
          }
        | null
        | undefined;
      readonly message?: string | null | undefined;
      readonly completed?:
        | {
            readonly manifest_digest: string;
            readonly config_digest: string;
            readonly manifest_verity: string;
            readonly config_verity: string;
            readonly stats: string;
            readonly boot_image?: string | null | undefined;
            readonly boot_image_mode?: string | null | undefined;
            readonly boot_image_format_version?: string | null | undefined;
          }
        | null
        | undefined;
    };
  };
  /** Mounts the EROFS image of an image, as org.composefs.Repository.Mount does. */
  readonly 'org.composefs.Oci.OciMount': {
    readonly input: {
      readonly handle: number;
      readonly image: string;
      readonly bootable: boolean;
      readonly options: {
        readonly overlay?: boolean | null | undefined;
        readonly read_write?: boolean | null | undefined;
      };
    };
    readonly output: {
      readonly fd_index: number;
    };
  };
  /** Lists what this service can do. */
  readonly 'org.composefs.Oci.GetInfo': {
    readonly input: Readonly<Record<string, never>>;
    readonly output: {
      readonly features: readonly string[];
    };
  };
  /** Looks for a layer by its diff id. */
  readonly 'org.composefs.Oci.HasLayer': {
    readonly input: {
      readonly handle: number;
      readonly diff_id: string;
    };
    readonly output: {
      readonly present: boolean;
      readonly layer_verity?: string | null | undefined;
    };
  };
  /** Gives a layer as a splitdirfdstream. The descriptors of all replies together are: the stream, dir_count directories, and descriptors to hold until the stream was read. */
  readonly 'org.composefs.Oci.GetLayer': {
    readonly input: {
      readonly handle: number;
      readonly params: {
        readonly diff_id?: string | null | undefined;
        readonly storage?:
          | {
              readonly storage_path: string;
              readonly layer_id: string;
            }
          | null
          | undefined;
        readonly consumer_has_cap_dac_override: boolean;
      };
    };
    readonly output: {
      readonly dir_count: number;
    };
  };
  /** Takes a layer as a splitdirfdstream: the first descriptor is the stream, the others are its directories. It is read to its end in any case, and stored only if its bytes have the diff id. */
  readonly 'org.composefs.Oci.PutLayer': {
    readonly input: {
      readonly handle: number;
      readonly diff_id: string;
      readonly zerocopy: boolean;
    };
    readonly output: {
      readonly layer_verity: string;
      readonly already_present: boolean;
      readonly objects_reflinked: number;
      readonly objects_hardlinked: number;
      readonly objects_copied: number;
      readonly objects_already_present: number;
    };
  };
  /** Stores the manifest and config of an image whose layers are stored, makes its EROFS images, and gives it a tag. */
  readonly 'org.composefs.Oci.FinalizeImage': {
    readonly input: {
      readonly handle: number;
      readonly manifest_json: string;
      readonly config_json: string;
      readonly layers: readonly {
        readonly diff_id: string;
        readonly layer_verity: string;
      }[];
      readonly name?: string | null | undefined;
    };
    readonly output: {
      readonly manifest_digest: string;
      readonly manifest_verity: string;
      readonly config_digest: string;
      readonly config_verity: string;
    };
  };
}
