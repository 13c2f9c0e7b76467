# SPDX-License-Identifier: GPL-2.0-only
# A Linux VM with software RoCE (rdma_rxe) and rdma-core's programs. Source after tests/board/lib.sh.
# LINUX_IP=a.b.c.d and LINUX_MTU may be set before.

RDMA=$BUILD/rdma
for what in linux rdma; do
	[ -f "$BUILD/$what/stamp" ] || "$TOP/scripts/fetch" $what >/dev/null ||
		{ echo "packages of $what cannot be fetched"; exit 77; }
done

# rdma_files PROGRAM...: sets FILES to linuxvm's --add options for programs and all they load
rdma_files() {
	libs=$RDMA/usr/lib/x86_64-linux-gnu:$RDMA/lib/x86_64-linux-gnu
	provider=$RDMA/usr/lib/x86_64-linux-gnu/libibverbs/librxe-rdmav34.so
	FILES="--add $provider:usr/lib/x86_64-linux-gnu/libibverbs/librxe-rdmav34.so"
	FILES="$FILES --add $RDMA/etc/libibverbs.d/rxe.driver:etc/libibverbs.d/rxe.driver"
	# pthread_exit() loads it by name
	FILES="$FILES --add /lib/x86_64-linux-gnu/libgcc_s.so.1:lib/x86_64-linux-gnu/libgcc_s.so.1"
	for p in "$@"; do
		FILES="$FILES --add $p"
	done
	for l in $(LD_LIBRARY_PATH=$libs ldd "$@" "$provider" | grep -o '/[^ ]*' | grep '\.so' |
		sort -u); do
		case $l in
		*/ld-linux*) FILES="$FILES --add $l:lib64/ld-linux-x86-64.so.2" ;;
		*librxe*) ;;
		*) FILES="$FILES --add $l:lib/x86_64-linux-gnu/$(basename "$l")" ;;
		esac
	done
}

# rdma_linux LOG COMMAND: runs a shell command in the VM, with rxe0 up on eth0
rdma_linux() {
	rdma_files "$RDMA/usr/bin/rping" "$(find "$RDMA" -path '*/bin/rdma' -type f | head -1)"
	timeout -k 5 "${LINUX_TIMEOUT:-120}" "$TOP/scripts/linuxvm" $LINUXVM_OPTS \
		--nic "virtio-net,ip=${LINUX_IP:-10.0.0.3}/24,bridge=br0,mtu=${LINUX_MTU:-9000}" \
		--module crc32_generic --module rdma_rxe --module ib_uverbs --module rdma_ucm $FILES \
		-- sh -c "rdma link add rxe0 type rxe netdev eth0 && $2" >"$1" 2>&1
}
