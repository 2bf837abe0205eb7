module podmotion.dev/bench/ask

go 1.26
