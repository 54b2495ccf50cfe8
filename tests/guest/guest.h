/* The test and demo guest: pid 1 of an initramfs that gives a move something to lose.
 *
 * Settings, on the kernel command line (defaults in brackets):
 *   guest.ip=A.B.C.D/N  address of eth0 [10.0.2.15/24]
 *   guest.gw=A.B.C.D    default gateway [none]
 *   guest.seed=N        of all patterns [1]
 *   guest.mem=MiB       memory kept full of a pattern [32]
 *   guest.rate=MiB/s    how fast it is rewritten [4]
 *   guest.span=MiB      part of each disk that is used [16]
 *   guest.disk=KiB/s    how fast each disk is written [256]
 *
 * Commands, on the serial console and as HTTP paths on port 80 (GET /verify): see command.c.
 * Port 7: one line "<number> <counter>" every 20 ms, the number counting from 1 in each session.
 * Everything that it prints for programs starts with "guest: ".
 */
#ifndef SEALIFT_TESTS_GUEST_H
#define SEALIFT_TESTS_GUEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { kPageBytes = 4096, kBlockBytes = 16384, kDisksMax = 4, kReplyBytes = 2048 };

struct settings {
  char ip[64];
  char gateway[64];
  uint64_t seed;
  uint64_t memory_mib;
  uint64_t span_mib;
  _Atomic uint64_t memory_rate; /* MiB/s */
  _Atomic uint64_t disk_rate;   /* KiB/s */
};

extern struct settings g_settings;
extern _Atomic uint64_t
    g_counter; /* one more every 10 ms; goes on after a reboot from what the disks remember */

/* pattern.c: words that depend on all three numbers, so that a page or block in the wrong place is seen too.
 */
void pattern_fill(uint64_t* words, size_t count, uint64_t seed, uint64_t index, uint64_t generation);
/* The number of the first word that differs, or `count`. */
size_t pattern_check(const uint64_t* words, size_t count, uint64_t seed, uint64_t index, uint64_t generation);

void memory_start(void);
uint64_t memory_pages(void);
/* Compares every page, the writer held meanwhile. Appends to `text` what differs; returns the number of bad
 * pages. */
uint64_t memory_verify(char* text, size_t size);

void disks_start(void);
int disks_count(void);
uint64_t disks_blocks(void);       /* written and still there, all disks */
uint64_t disks_sequence(int disk); /* the number of the last block written; 0 = none */
uint64_t disks_verify(char* text, size_t size);
void disks_close(void); /* no write is under way when it returns, and none follows */

/* Carries out one command line, writes the answer (no newline) to `reply`. False: no such command. */
bool command_run(const char* line, char* reply, size_t size);
_Noreturn void machine_end(bool reboot, const char* cause);

void serve_start(void);
void console_start(void);
void button_start(void);

void say(const char* format, ...) __attribute__((format(printf, 1, 2)));
void append(char* text, size_t size, const char* format, ...) __attribute__((format(printf, 3, 4)));
void start_thread(void* (*body)(void*), void* argument);
void sleep_ms(long milliseconds);
uint64_t uptime_ms(void);

#endif
