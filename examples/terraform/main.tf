# Deploys invalidator for several buckets, a stack for each, in the Region of the provider, which is theirs.
#
# The files of the release, of which this takes the template and the zips, lie in a folder beside this file. Check them
# there: sha256sum --check SHA256SUMS

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

locals {
  release = "invalidator-1.0.0"

  # The name of each stack, and its parameters (docs/configuration.md) as template.yml calls them.
  stacks = {
    invalidator-shop = {
      Bucket        = "my-origin"
      Distributions = "discover"
    }
    invalidator-blog = {
      Bucket        = "my-blog"
      Distributions = "E1A2B3C4D5E6F7,E7F6D5C4B3A2E1"
      Include       = "posts/*"
    }
  }
}

# Any bucket in this Region will do.
resource "aws_s3_bucket" "code" {
  bucket_prefix = "invalidator-code-"
}

resource "aws_s3_object" "zip" {
  for_each = toset(["invalidate", "connect", "check", "pipeline"])

  bucket      = aws_s3_bucket.code.id
  key         = "${local.release}/${each.key}.zip"
  source      = "${path.module}/${local.release}/${each.key}.zip"
  source_hash = filemd5("${path.module}/${local.release}/${each.key}.zip")

  # A stack that cannot take the next release goes back to the zips of this one.
  lifecycle {
    create_before_destroy = true
  }
}

# This resource owns all notifications of a bucket: it removes those that it does not name, also those of other tools and
# people, and when it is destroyed, EventBridge is off. Leave it out where somebody else sets the notifications. If you have one for the bucket
# already, switch EventBridge on there, and leave this one out.
resource "aws_s3_bucket_notification" "origin" {
  for_each = local.stacks

  bucket      = each.value.Bucket
  eventbridge = true
}

resource "aws_cloudformation_stack" "invalidator" {
  for_each = local.stacks

  name          = each.key
  template_body = file("${path.module}/${local.release}/invalidator.yml")
  capabilities  = ["CAPABILITY_IAM"]

  # With this trigger, a stack changes nothing about a bucket whose EventBridge is on, neither now nor when it is removed.
  parameters = merge({ Trigger = "eventbridge", CodeBucket = aws_s3_bucket.code.id, CodeKey = local.release }, each.value)

  depends_on = [aws_s3_bucket_notification.origin, aws_s3_object.zip]
}
