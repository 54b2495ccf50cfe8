/* Numbered blocks on /dev/vda, /dev/vdb, …: block number q goes to slot (q * kStride) mod slots, one at a
 * time, each written with O_DIRECT and followed by fdatasync. So after a crash every block up to the highest
 * number found must be there; only the slot of the next number may be torn, and start-up writes that one
 * again first. A block, in words of 8 bytes:
 *
 *   0  magic
 *   1  seed of the disk
 *   2  slot
 *   3  number
 *   4  counter at that time
 *   5  and on: pattern(seed, slot, number)
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/fs.h>

enum { kHeaderWords = 5, kWords = kBlockBytes / 8, kBatch = 64 };
static const uint64_t kMagic = 0x6b6c62746c616573ULL;
static const uint64_t kStride = 0x9e3779b1ULL; /* odd: a permutation of any power of two */

struct disk {
  int file;
  uint64_t seed;
  uint64_t slots;
  uint64_t inverse; /* of kStride modulo slots */
  uint64_t last;
  uint64_t failures;
  pthread_mutex_t lock;
  uint64_t* block; /* one block, aligned for O_DIRECT */
  uint64_t* batch;
};

static struct disk g_disks[kDisksMax];
static int g_disk_count;

static uint64_t slot_of(const struct disk* disk, uint64_t number) {
  return (number * kStride) & (disk->slots - 1);
}

/* The highest number up to `last` that belongs into this slot; 0 = none yet. */
static uint64_t number_at(const struct disk* disk, uint64_t slot) {
  const uint64_t first = (slot * disk->inverse) & (disk->slots - 1);
  if (first > disk->last) return 0;
  return first + (disk->last - first) / disk->slots * disk->slots;
}

static bool whole(const struct disk* disk, const uint64_t* words, uint64_t slot) {
  if (words[0] != kMagic || words[1] != disk->seed || words[2] != slot) return false;
  const size_t rest = kWords - kHeaderWords;
  return pattern_check(words + kHeaderWords, rest, disk->seed, slot, words[3]) == rest;
}

static bool write_next(struct disk* disk) {
  const uint64_t number = disk->last + 1;
  const uint64_t slot = slot_of(disk, number);
  const uint64_t header[kHeaderWords] = {kMagic, disk->seed, slot, number, atomic_load(&g_counter)};
  memcpy(disk->block, header, sizeof header);
  pattern_fill(disk->block + kHeaderWords, kWords - kHeaderWords, disk->seed, slot, number);
  if (pwrite(disk->file, disk->block, kBlockBytes, (off_t)(slot * kBlockBytes)) != kBlockBytes ||
      fdatasync(disk->file) != 0) {
    if (disk->failures++ == 0) say("error disk=%d write: %s", (int)(disk - g_disks), strerror(errno));
    return false;
  }
  disk->last = number;
  return true;
}

static void* write_blocks(void* argument) {
  struct disk* disk = argument;
  double owed = 0;
  uint64_t before = uptime_ms();
  for (;;) {
    sleep_ms(5);
    const uint64_t now = uptime_ms();
    uint64_t elapsed = now - before;
    if (elapsed > 50) elapsed = 50;
    before = now;
    owed += (double)atomic_load(&g_settings.disk_rate) * 1024.0 / kBlockBytes * (double)elapsed / 1000.0;
    while (owed >= 1) {
      pthread_mutex_lock(&disk->lock);
      const bool good = write_next(disk);
      pthread_mutex_unlock(&disk->lock);
      owed = good ? owed - 1 : 0;
    }
  }
  return NULL;
}

/* Calls visit for every slot of the disk; returns the number of slots that could not be read. */
static uint64_t each_slot(struct disk* disk, void (*visit)(struct disk*, uint64_t, const uint64_t*, void*),
                          void* context) {
  uint64_t unread = 0;
  for (uint64_t slot = 0; slot < disk->slots; slot += kBatch) {
    const uint64_t count = disk->slots - slot < kBatch ? disk->slots - slot : kBatch;
    const ssize_t bytes = (ssize_t)(count * kBlockBytes);
    if (pread(disk->file, disk->batch, (size_t)bytes, (off_t)(slot * kBlockBytes)) != bytes) {
      unread += count;
      continue;
    }
    for (uint64_t i = 0; i < count; ++i) visit(disk, slot + i, disk->batch + i * kWords, context);
  }
  return unread;
}

static void find_last(struct disk* disk, uint64_t slot, const uint64_t* words, void* context) {
  uint64_t* counter = context;
  if (!whole(disk, words, slot) || slot_of(disk, words[3]) != slot) return;
  if (words[3] > disk->last) disk->last = words[3];
  if (words[4] > *counter) *counter = words[4];
}

struct findings {
  char* text;
  size_t size;
  uint64_t bad;
};

static void compare(struct disk* disk, uint64_t slot, const uint64_t* words, void* context) {
  struct findings* found = context;
  const uint64_t wanted = number_at(disk, slot);
  if (wanted == 0 || (whole(disk, words, slot) && words[3] == wanted)) return;
  if (++found->bad > 3) return;
  append(found->text, found->size, " disk=%d,slot=%llu,wanted=%llu,found=%llu", (int)(disk - g_disks),
         (unsigned long long)slot, (unsigned long long)wanted,
         (unsigned long long)(words[0] == kMagic ? words[3] : 0));
}

static bool open_disk(struct disk* disk, const char* path, int number) {
  disk->file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
  if (disk->file < 0) return false;
  uint64_t bytes = 0;
  ioctl(disk->file, BLKGETSIZE64, &bytes);
  if (bytes > g_settings.span_mib << 20) bytes = g_settings.span_mib << 20;
  for (disk->slots = 1; disk->slots * 2 * kBlockBytes <= bytes;) disk->slots *= 2;
  for (disk->inverse = 1; ((disk->inverse * kStride) & (disk->slots - 1)) != (1 & (disk->slots - 1));)
    disk->inverse += 2;
  disk->seed = g_settings.seed * 16 + (uint64_t)number;
  pthread_mutex_init(&disk->lock, NULL);
  disk->block = aligned_alloc(4096, kBlockBytes);
  disk->batch = aligned_alloc(4096, (size_t)kBatch * kBlockBytes);
  return disk->block != NULL && disk->batch != NULL;
}

void disks_start(void) {
  uint64_t counter = 0;
  for (int i = 0; i < kDisksMax; ++i) {
    char path[] = "/dev/vda";
    path[7] = (char)('a' + i);
    if (!open_disk(&g_disks[i], path, i)) break;
    each_slot(&g_disks[i], find_last, &counter);
    if (g_disks[i].last > 0) write_next(&g_disks[i]);
    ++g_disk_count;
  }
  atomic_store(&g_counter, counter);
  for (int i = 0; i < g_disk_count; ++i) start_thread(write_blocks, &g_disks[i]);
}

int disks_count(void) {
  return g_disk_count;
}
uint64_t disks_sequence(int disk) {
  return g_disks[disk].last;
}

uint64_t disks_blocks(void) {
  uint64_t blocks = 0;
  for (int i = 0; i < g_disk_count; ++i) {
    blocks += g_disks[i].last < g_disks[i].slots ? g_disks[i].last : g_disks[i].slots;
  }
  return blocks;
}

uint64_t disks_verify(char* text, size_t size) {
  struct findings found = {text, size, 0};
  for (int i = 0; i < g_disk_count; ++i) {
    pthread_mutex_lock(&g_disks[i].lock);
    const uint64_t unread = each_slot(&g_disks[i], compare, &found);
    if (unread > 0) append(text, size, " disk=%d,unreadable=%llu", i, (unsigned long long)unread);
    if (g_disks[i].failures > 0)
      append(text, size, " disk=%d,failed_writes=%llu", i, (unsigned long long)g_disks[i].failures);
    found.bad += unread + g_disks[i].failures;
    pthread_mutex_unlock(&g_disks[i].lock);
  }
  return found.bad;
}

void disks_close(void) {
  for (int i = 0; i < g_disk_count; ++i) pthread_mutex_lock(&g_disks[i].lock);
}
