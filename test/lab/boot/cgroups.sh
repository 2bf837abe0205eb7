# Puts the calling shell into a cgroup of its own in every hierarchy: join_cgroup NAME. Sourced.
join_cgroup() {
  local hierarchy folder part path
  for hierarchy in /sys/fs/cgroup/*/; do
    hierarchy=${hierarchy%/}
    [ -L "$hierarchy" ] || [ ! -e "$hierarchy/cgroup.procs" ] && continue
    path=$hierarchy
    for part in ${1//\// }; do
      folder=$path/$part
      mkdir -p "$folder"
      # A cpuset starts empty and takes nobody until it has processors and memory.
      if [ -e "$folder/cpuset.cpus" ] && [ -z "$(< "$folder/cpuset.cpus")" ]; then
        cat "$path/cpuset.cpus" > "$folder/cpuset.cpus"
        cat "$path/cpuset.mems" > "$folder/cpuset.mems"
      fi
      path=$folder
    done
    echo $BASHPID > "$path/cgroup.procs"
  done
}
