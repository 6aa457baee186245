# Stops a server whose owner died. Standard input is a pipe from the owner: it ends when the owner does, however that
# happened. Arguments: the signal that stops the server, the temporary folder to remove afterwards (or nothing).
# Lines: "watch <pid>" names the server, "forget" takes that back, "release" ends the guard.
signal=$1
folder=$2
pid=
lives() { # a dead process that its new parent has not collected yet does not live
  kill -0 "$pid" && case $(cat "/proc/$pid/stat" 2>/dev/null) in *') Z '*) false ;; esac
}
while read -r word value; do
  case $word in
    watch) pid=$value ;;
    forget) pid= ;;
    release) exit 0 ;;
  esac
done
if [ -n "$pid" ] && kill -s "$signal" "$pid"; then
  kill -s CONT "$pid" # a frozen server could not obey
  tries=0
  while lives && [ "$tries" -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -s KILL "$pid"
fi
[ -z "$folder" ] || rm -rf -- "$folder"
