module podmotion.dev/lab/traffic

go 1.26
