/* SPDX-License-Identifier: GPL-2.0-only */
/* An mComponent's side of STORE; FIT is played by client.c: requests go straight to the handler. */
#pragma once

#include <fit/fit.h>
#include <proto/store.h>

#define ME 7
#define OTHER 8

/* Server and export, once a process. */
void client_start(void);
/* Both nodes lend their slots, again. */
void client_hello(void);
extern uint8_t client_slots[STORE_SLOTS * STORE_SLOT_SIZE];
extern uint8_t client_reply[FIT_MSG_MAX];
extern size_t client_reply_len;
/* Status of the reply, which is in client_reply. */
int client_call(fit_node_t from, uint16_t op, const void *msg, size_t len);
void client_oneway(fit_node_t from, uint16_t op, const void *msg, size_t len);
/* The owner's slots cannot be reached any more. */
extern bool client_transfers_fail;

/* Shorthands; names are strings. Handles; 0 and *err where something failed. */
struct store_entry client_attach(fit_node_t from, const char *export, int *err);
struct store_entry client_lookup(fit_node_t from, uint64_t dir, const char *name, int *err);
struct store_entry client_create(fit_node_t from, uint64_t dir, const char *name, uint32_t mode,
				 int *err);
int client_symlink(fit_node_t from, uint64_t dir, const char *name, const char *target);
int client_link(fit_node_t from, uint64_t handle, uint64_t dir, const char *name);
int client_unlink(fit_node_t from, uint64_t dir, const char *name, uint32_t flags);
int client_rename(fit_node_t from, uint64_t dir, const char *name, uint64_t to,
		  const char *new_name);
/* Bytes or -errno. */
int client_io(fit_node_t from, uint16_t op, uint64_t handle, uint64_t off, uint32_t len,
	      uint32_t slot);
int client_obj(fit_node_t from, uint16_t op, uint64_t handle);
void client_forget(fit_node_t from, uint64_t handle);
