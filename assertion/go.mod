module github.com/gatehouse-iap/gatehouse/assertion

go 1.22
