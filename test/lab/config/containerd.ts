// containerd's configuration on a node: as a distribution ships it, with room for drop-ins.
export function containerdConfiguration(sandboxImage: string): string {
  return `version = 3
imports = ["/etc/containerd/conf.d/*.toml"]

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${sandboxImage}"

[plugins."io.containerd.cri.v1.runtime"]
  # The lab's machine lacks CAP_SYS_RESOURCE: lowering a score would fail.
  restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`
}
