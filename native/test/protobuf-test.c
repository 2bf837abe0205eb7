// The protobuf pieces: runc's request changed as criu must see it, and notifications read.
#include "request.h"
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TYPE = 1, OPTS = 2 };

static bytes view(const buffer *b)
{
	return (bytes){b->at, b->length};
}

static buffer request(unsigned type, int images, int work)
{
	buffer opts = {0}, out = {0};
	put_number(&opts, 1, (uint64_t)(int64_t)images);
	put_bytes(&opts, 13, (bytes){(const uint8_t *)"/root", 5});
	put_number(&opts, 64, 1);
	put_number(&opts, 17, (uint64_t)(int64_t)work);
	put_number(&out, TYPE, type);
	put_bytes(&out, OPTS, view(&opts));
	put_number(&out, 4, 1);
	free(opts.at);
	return out;
}

static uint64_t option(bytes whole, unsigned number)
{
	bytes opts;
	uint64_t value = 0;
	assert(find_bytes(whole, OPTS, &opts) && find_number(opts, number, &value));
	return value;
}

static bool same_file(int a, int b)
{
	struct stat x, y;
	return !fstat(a, &x) && !fstat(b, &y) && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static void test_renames_descriptors_and_skips_the_lock(void)
{
	int images = open("/tmp", O_RDONLY), work = open("/", O_RDONLY);
	for (unsigned type = CRIU_DUMP; type <= CRIU_RESTORE; type++) {
		buffer in = request(type, images, work), out = {0};
		bytes root, opts;
		uint64_t keep;
		assert(adapt_request(&out, view(&in), getpid()));
		assert(request_type(view(&out)) == type && find_number(view(&out), 4, &keep) && keep == 1);
		assert(option(view(&out), 64) == 3);
		int new_images = (int)option(view(&out), 1), new_work = (int)option(view(&out), 17);
		assert(new_images >= 300 && new_work >= 300 && same_file(new_images, images) && same_file(new_work, work));
		assert(find_bytes(view(&out), OPTS, &opts) && find_bytes(opts, 13, &root) && root.length == 5 && !memcmp(root.at, "/root", 5));
		free(in.at);
		free(out.at);
	}
}

static void test_keeps_the_lock_when_told(void)
{
	buffer in = request(CRIU_DUMP, -1, -1), out = {0};
	setenv("PODMOTION_NETWORK_LOCK", "keep", 1);
	setenv("PODMOTION_CRIU_LOG_LEVEL", "2", 1);
	assert(adapt_request(&out, view(&in), getpid()));
	assert(option(view(&out), 64) == 1 && option(view(&out), 9) == 2 && (int32_t)option(view(&out), 1) == -1);
	unsetenv("PODMOTION_NETWORK_LOCK");
	unsetenv("PODMOTION_CRIU_LOG_LEVEL");
	free(in.at);
	free(out.at);
}

static void test_leaves_others_alone(void)
{
	buffer in = request(10, 0, 0), out = {0};
	assert(adapt_request(&out, view(&in), getpid()));
	assert(out.length == in.length && !memcmp(out.at, in.at, in.length));
	free(in.at);
	free(out.at);
}

static void test_reads_notifications(void)
{
	buffer notify = {0}, response = {0};
	char script[64];
	int pid;
	put_bytes(&notify, 1, (bytes){(const uint8_t *)"post-restore", 12});
	put_number(&notify, 2, 4321);
	put_number(&response, 1, CRIU_NOTIFY);
	put_number(&response, 2, 1);
	put_bytes(&response, 5, view(&notify));
	assert(read_notify(view(&response), script, sizeof script, &pid) && !strcmp(script, "post-restore") && pid == 4321);
	for (size_t cut = 0; cut < response.length; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);
		memcpy(copy, response.at, cut);
		read_notify((bytes){copy, cut}, script, sizeof script, &pid);
		free(copy);
	}
	free(notify.at);
	free(response.at);
}

static void test_refuses_damaged_requests(void)
{
	buffer in = request(CRIU_RESTORE, -1, -1);
	for (size_t cut = 0; cut < in.length; cut++) {
		buffer out = {0};
		uint8_t *copy = malloc(cut ? cut : 1);
		memcpy(copy, in.at, cut);
		adapt_request(&out, (bytes){copy, cut}, getpid());
		free(copy);
		free(out.at);
	}
	free(in.at);
}

int main(void)
{
	test_renames_descriptors_and_skips_the_lock();
	test_keeps_the_lock_when_told();
	test_leaves_others_alone();
	test_reads_notifications();
	test_refuses_damaged_requests();
	return 0;
}
