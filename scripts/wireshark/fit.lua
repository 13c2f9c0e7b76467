-- SPDX-License-Identifier: GPL-2.0-only
-- FIT in Wireshark and tshark: the header of every message on the control lane, and the hellos in
-- RDMA-CM's private data. Bodies are shown as bytes under their operation's name.
--
--   tshark -X lua_script:scripts/wireshark/fit.lua -r capture.pcap -Y fit
--   wireshark -X lua_script:scripts/wireshark/fit.lua capture.pcap
--
-- Wireshark's InfiniBand dissector knows RoCEv2 and hands us what RC SENDs carry (heuristically: a
-- header that fits). scripts/check-dissector compares the tables with include/proto. Left out: the
-- second packet of a message longer than the path MTU, which has no header.

local fit = Proto("fit", "FIT")

local types = { [1] = "REQUEST", [2] = "REPLY", [3] = "ONEWAY", [4] = "CANCEL", [5] = "CREDIT" }

-- classes
local classes = {
	[0] = "FIT",
	[1] = "MEMBER",
	[2] = "GPM",
	[3] = "GMM",
	[4] = "GNM",
	[5] = "MEM",
	[6] = "FILE",
	[7] = "SOCK",
	[8] = "SOCKEVT",
	[9] = "SOCKMEM",
	[10] = "SPAWN",
	[11] = "STORE",
	[12] = "GSM",
	[13] = "JOIN",
	[15] = "TEST",
}

-- operations
local ops = {
	[0x0101] = "OP_MEMBER_JOIN",
	[0x0102] = "OP_MEMBER_HEARTBEAT",
	[0x0103] = "OP_MEMBER_VIEW",
	[0x0201] = "OP_GPM_EXIT",
	[0x0301] = "OP_GMM_HOME",
	[0x0302] = "OP_GMM_REGION",
	[0x0303] = "OP_GMM_ROOM",
	[0x0401] = "OP_GNM_REGISTER",
	[0x0402] = "OP_GNM_RESOLVE",
	[0x0403] = "OP_GNM_ROUTE",
	[0x0404] = "OP_GNM_LIST",
	[0x0501] = "OP_MEM_HELLO",
	[0x0502] = "OP_MEM_CREATE",
	[0x0503] = "OP_MEM_FORK",
	[0x0504] = "OP_MEM_EXIT",
	[0x0505] = "OP_MEM_EXEC",
	[0x0506] = "OP_MEM_MMAP",
	[0x0507] = "OP_MEM_MUNMAP",
	[0x0508] = "OP_MEM_MPROTECT",
	[0x0509] = "OP_MEM_DONTNEED",
	[0x050a] = "OP_MEM_MREMAP",
	[0x050b] = "OP_MEM_BRK",
	[0x050c] = "OP_MEM_FILL",
	[0x050d] = "OP_MEM_BIND",
	[0x050e] = "OP_MEM_WRITEBACK",
	[0x050f] = "OP_MEM_MAPPED",
	[0x0514] = "OP_MEM_SYNC",
	[0x0515] = "OP_MEM_AREAS",
	[0x0516] = "OP_MEM_FILL_MANY",
	[0x0517] = "OP_MEM_WRITEBACK_MANY",
	[0x0601] = "OP_FILE_OPEN",
	[0x0602] = "OP_FILE_CLOSE",
	[0x0603] = "OP_FILE_STAT",
	[0x0604] = "OP_FILE_GETATTR",
	[0x0605] = "OP_FILE_FILL",
	[0x0606] = "OP_FILE_WRITE",
	[0x0607] = "OP_FILE_TRUNCATE",
	[0x0608] = "OP_FILE_READDIR",
	[0x0609] = "OP_FILE_UNLINK",
	[0x060a] = "OP_FILE_MKDIR",
	[0x060b] = "OP_FILE_RMDIR",
	[0x060c] = "OP_FILE_SYMLINK",
	[0x060d] = "OP_FILE_LINK",
	[0x060e] = "OP_FILE_RENAME",
	[0x060f] = "OP_FILE_READLINK",
	[0x0610] = "OP_FILE_MKNOD",
	[0x0611] = "OP_FILE_SETATTR",
	[0x0612] = "OP_FILE_STATFS",
	[0x0613] = "OP_FILE_GETPATH",
	[0x0614] = "OP_FILE_FSYNC",
	[0x0615] = "OP_FILE_SYNC",
	[0x0616] = "OP_FILE_DROP_CACHES",
	[0x0617] = "OP_FILE_FILL_MANY",
	[0x0701] = "OP_SOCK_HELLO",
	[0x0702] = "OP_SOCK_OPEN",
	[0x0703] = "OP_SOCK_CONNECT",
	[0x0704] = "OP_SOCK_LISTEN",
	[0x0705] = "OP_SOCK_SETOPT",
	[0x0706] = "OP_SOCK_GETOPT",
	[0x070e] = "OP_SOCK_LOCATE",
	[0x070f] = "OP_SOCK_COUNTS",
	[0x0710] = "OP_SOCK_ACCEPTED",
	[0x0711] = "OP_SOCK_ATTACH",
	[0x0712] = "OP_SOCK_RX_DONE",
	[0x0713] = "OP_SOCK_SHUTDOWN",
	[0x0714] = "OP_SOCK_CLOSE",
	[0x0801] = "OP_SOCKEVT_ACCEPT",
	[0x0802] = "OP_SOCKEVT_TX_DONE",
	[0x0803] = "OP_SOCKEVT_STATE",
	[0x0804] = "OP_SOCKEVT_CLOSED",
	[0x0805] = "OP_SOCKEVT_END",
	[0x0806] = "OP_SOCKEVT_ICMP",
	[0x0807] = "OP_SOCKEVT_CONNECTED",
	[0x0808] = "OP_SOCKEVT_URGENT",
	[0x0901] = "OP_SOCKMEM_CREATE",
	[0x0902] = "OP_SOCKMEM_ATTACH",
	[0x0903] = "OP_SOCKMEM_HOLD",
	[0x0904] = "OP_SOCKMEM_FETCH",
	[0x0905] = "OP_SOCKMEM_RELEASE",
	[0x0a01] = "OP_SPAWN_START",
	[0x0a02] = "OP_SPAWN_SIGNAL",
	[0x0b01] = "OP_STORE_HELLO",
	[0x0b02] = "OP_STORE_ATTACH",
	[0x0b03] = "OP_STORE_LOOKUP",
	[0x0b04] = "OP_STORE_FORGET",
	[0x0b05] = "OP_STORE_GETATTR",
	[0x0b06] = "OP_STORE_SETATTR",
	[0x0b07] = "OP_STORE_READ",
	[0x0b08] = "OP_STORE_WRITE",
	[0x0b09] = "OP_STORE_FSYNC",
	[0x0b0a] = "OP_STORE_READDIR",
	[0x0b0b] = "OP_STORE_CREATE",
	[0x0b0c] = "OP_STORE_SYMLINK",
	[0x0b0d] = "OP_STORE_READLINK",
	[0x0b0e] = "OP_STORE_LINK",
	[0x0b0f] = "OP_STORE_UNLINK",
	[0x0b10] = "OP_STORE_RENAME",
	[0x0b11] = "OP_STORE_STATFS",
	[0x0c01] = "OP_GSM_REGISTER",
	[0x0c02] = "OP_GSM_LIST",
	[0x0d01] = "OP_JOIN_HELLO",
	[0x0d02] = "OP_JOIN_CONNECT",
	[0x0f01] = "OP_TEST_ECHO",
	[0x0f02] = "OP_TEST_REGION",
}

-- struct fit_hdr: name, offset, bytes
local header = {
	{ "type", 0, 1 },
	{ "flags", 1, 1 },
	{ "op", 2, 2 },
	{ "len", 4, 4 },
	{ "id", 8, 8 },
	{ "seq", 16, 8 },
	{ "status", 24, 4 },
	{ "credits", 28, 4 },
}
local HEADER_LEN = 32
local BODY_MAX = 4352

-- struct fit_cm_hello: name, offset, bytes
local hello = {
	{ "magic", 0, 4 },
	{ "version", 4, 2 },
	{ "node", 6, 2 },
	{ "incarnation", 8, 8 },
	{ "ip", 16, 4 },
	{ "lane", 20, 2 },
	{ "epoch", 22, 2 },
	{ "to_incarnation", 24, 8 },
	{ "rx_seq", 32, 8 },
}
local HELLO_MAGIC = 0x31544946

local value_names = { type = types, op = ops }
local makers = { [1] = ProtoField.uint8, [2] = ProtoField.uint16, [4] = ProtoField.uint32,
	[8] = ProtoField.uint64 }

local fields = {}

local function make_fields(prefix, rows)
	for _, r in ipairs(rows) do
		local name = prefix .. r[1]
		local base = (r[1] == "op" or r[3] == 8 or r[1] == "magic") and base.HEX or base.DEC
		fields[name] = makers[r[3]](name, r[1], base, value_names[r[1]])
	end
end

make_fields("fit.", header)
make_fields("fit.hello.", hello)
fields["fit.class"] = ProtoField.uint8("fit.class", "class", base.DEC, classes)
fields["fit.body"] = ProtoField.bytes("fit.body", "body")
for _, f in pairs(fields) do
	table.insert(fit.fields, f)
end

local function add_rows(tree, tvb, prefix, rows)
	for _, r in ipairs(rows) do
		tree:add_le(fields[prefix .. r[1]], tvb(r[2], r[3]))
	end
end

-- A SEND that begins with a message: type, flags, class, length and status are what they must be.
local function is_message(tvb)
	local n = tvb:reported_len()
	if tvb:len() < HEADER_LEN or not types[tvb(0, 1):uint()] or tvb(1, 1):uint() ~= 0 then
		return false
	end
	local len = tvb(4, 4):le_uint()
	return classes[tvb(3, 1):uint()] ~= nil and len <= BODY_MAX and len + HEADER_LEN + 3 >= n and
		tvb(24, 4):le_uint() <= 4095 and tvb(28, 4):le_uint() <= 1024
end

local function describe(tvb)
	local kind, op = types[tvb(0, 1):uint()], tvb(2, 2):le_uint()
	local text = "FIT " .. kind .. " " .. (ops[op] or classes[tvb(3, 1):uint()])
	if kind == "REPLY" and tvb(24, 4):le_uint() ~= 0 then
		text = text .. " errno " .. tvb(24, 4):le_uint()
	end
	return text .. " id " .. tvb(8, 8):le_uint64():tonumber()
end

function fit.dissector(tvb, pinfo, root)
	local tree = root:add(fit, tvb(), describe(tvb))
	add_rows(tree, tvb, "fit.", header)
	tree:add(fields["fit.class"], tvb(3, 1))
	local body = math.min(tvb(4, 4):le_uint(), tvb:len() - HEADER_LEN)
	if body > 0 then
		tree:add(fields["fit.body"], tvb(HEADER_LEN, body))
	end
	pinfo.cols.protocol = "FIT"
	pinfo.cols.info = describe(tvb)
	return tvb:len()
end

local function message_heuristic(tvb, pinfo, root)
	if not is_message(tvb) then
		return false
	end
	fit.dissector(tvb, pinfo, root)
	return true
end

local function hello_heuristic(tvb, pinfo, root)
	if tvb:len() < 40 or tvb(0, 4):le_uint() ~= HELLO_MAGIC then
		return false
	end
	add_rows(root:add(fit, tvb(0, 40), "FIT hello"), tvb, "fit.hello.", hello)
	return true
end

fit:register_heuristic("infiniband.payload", message_heuristic)
fit:register_heuristic("infiniband.mad.cm.private", hello_heuristic)
